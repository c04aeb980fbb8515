import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { forkRun, retryWithInput } from "../../../api/actions";
import { inputTextQuery } from "../../../api/queries";
import type { NewRun, RunDetail, Step } from "../../../api/wire";
import { errorText } from "../../../lib/errors";
import type { ExactJson } from "../../../lib/exactJson";
import { links } from "../../../shell/links";
import { navigate } from "../../../shell/router";
import { Dialog } from "../../../ui/Dialog";
import { JsonField, parseJson } from "../../../ui/JsonField";
import { Notice } from "../../../ui/Notice";
import { useRunAct } from "./useRunAct";

const openNew = (answer: NewRun): void => navigate(links.run(answer.runId));

/** The same workflow again, with an input that was looked at and changed. */
export function InputDialog({ detail: { run } }: { detail: RunDetail }) {
  const original = useQuery({ ...inputTextQuery(run.id), enabled: run.input !== undefined });
  const [edited, setEdited] = useState<string | null>(null);
  const text = edited ?? original.data?.text ?? "";
  const parsed = parseJson(text);
  const { act, busy, refusal } = useRunAct(
    run.id,
    (input: ExactJson) => retryWithInput(run.id, input),
    "Started a new run.",
    openNew,
  );
  return (
    <Dialog
      title="Run again with other input"
      confirm="Start"
      dismiss="Not now"
      wide
      onConfirm={() => {
        if (parsed.error === null) act(parsed.value);
      }}
      busy={busy}
      disabled={parsed.error !== null || original.isLoading}
      refusal={refusal ?? (original.error ? errorText(original.error) : null)}
    >
      <p>
        Starts a new run of <strong>{run.workflow}</strong>, linked to this one. This one stays as it is.
      </p>
      {original.data?.plain === false ? (
        <Notice tone="warn" title="JSON cannot say all of this input">
          A tuple becomes a list, a date or another object what is shown of it, and what is hidden or cut stays so.
          Check that the workflow takes it in this form.
        </Notice>
      ) : null}
      <JsonField label="Input" text={text} onText={setEdited} error={parsed.error} autoFocus />
    </Dialog>
  );
}

export function ForkDialog({ detail, seq }: { detail: RunDetail; seq: number | null }) {
  const steps: Step[] = detail.timeline.filter((step) => step.compensates === undefined && !step.housekeeping);
  const failed = steps.findLast((step) => step.status === "failed");
  const [from, setFrom] = useState(seq ?? failed?.seq ?? steps[0]?.seq ?? 0);
  const { act, busy, refusal } = useRunAct(detail.run.id, () => forkRun(detail.run.id, from), "Forked.", openNew);
  const kept = steps.filter((step) => step.seq < from).length;
  return (
    <Dialog
      title="Fork a new run"
      confirm="Fork"
      dismiss="Not now"
      onConfirm={() => act(undefined)}
      busy={busy}
      disabled={steps.length === 0}
      refusal={refusal}
    >
      <p>
        A new run with its own id takes over the results of the steps before, and runs from there. This run stays as it
        is.
      </p>
      <label className="field">
        <span>From step</span>
        <select className="select" value={from} onChange={(event) => setFrom(Number(event.target.value))}>
          {steps.map((step) => (
            <option key={step.seq} value={step.seq}>
              {step.seq} · {step.name}
              {step.status === "failed" ? " (failed)" : ""}
            </option>
          ))}
        </select>
        <small className="muted">
          {kept === 0
            ? "Nothing is taken over: it starts from the beginning."
            : `${kept === 1 ? "1 step is" : `${kept} steps are`} taken over.`}
        </small>
      </label>
    </Dialog>
  );
}
