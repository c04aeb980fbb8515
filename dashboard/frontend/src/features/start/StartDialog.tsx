import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { startRun } from "../../api/actions";
import { executorsQuery, workflowsQuery } from "../../api/queries";
import { links } from "../../shell/links";
import { useCloseOverlay } from "../../shell/overlay";
import { navigate } from "../../shell/router";
import { useAct } from "../../shell/useAct";
import { errorText } from "../../lib/errors";
import { Dialog } from "../../ui/Dialog";
import { JsonField, parseJson } from "../../ui/JsonField";

/** Start a run of a workflow that a worker has. */
export function StartDialog() {
  const close = useCloseOverlay();
  const listId = useId();
  const known = useQuery(workflowsQuery);
  const workers = useQuery(executorsQuery);
  const [workflow, setWorkflow] = useState("");
  const [queue, setQueue] = useState("");
  const [runId, setRunId] = useState("");
  const [text, setText] = useState("");
  const parsed = parseJson(text);
  const names = new Set([
    ...(known.data ?? []).flatMap((facet) => facet.workflow ?? []),
    ...(workers.data ?? []).flatMap((worker) => worker.workflows),
  ]);
  const { act, isPending, error } = useAct({
    send: startRun,
    said: "Started.",
    // Only while this dialog is what the person looks at: after "Not now" they are somewhere else.
    then: (answer) => {
      close();
      navigate(links.run(answer.runId));
    },
  });
  const start = (): void => {
    const [name, onQueue, id] = [workflow, queue, runId].map((field) => field.trim()) as [string, string, string];
    if (parsed.error !== null) return;
    act({ workflow: name, input: parsed.value, ...(onQueue ? { queue: onQueue } : {}), ...(id ? { runId: id } : {}) });
  };
  return (
    <Dialog
      title="Start a run"
      confirm="Start"
      dismiss="Not now"
      onConfirm={start}
      busy={isPending}
      disabled={workflow.trim() === "" || parsed.error !== null}
      refusal={error ? errorText(error) : null}
    >
      <label className="field">
        <span>Workflow</span>
        <input
          className="input"
          value={workflow}
          list={listId}
          data-autofocus
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => setWorkflow(event.target.value)}
        />
        <datalist id={listId}>
          {[...names].sort().map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </label>
      <JsonField
        label="Input"
        text={text}
        onText={setText}
        error={parsed.error}
        hint={'A list of arguments, or an object of named ones: ["Ada", 3] or {"customer": "Ada"}'}
      />
      <div className="two">
        <label className="field">
          <span>Queue</span>
          <input
            className="input"
            value={queue}
            placeholder="the dashboard's own"
            onChange={(event) => setQueue(event.target.value)}
          />
        </label>
        <label className="field">
          <span>Run id</span>
          <input
            className="input"
            value={runId}
            placeholder="generated automatically"
            onChange={(event) => setRunId(event.target.value)}
          />
        </label>
      </div>
    </Dialog>
  );
}
