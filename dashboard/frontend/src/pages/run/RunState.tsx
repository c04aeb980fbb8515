import { type FormEvent, type ReactNode, useState } from "react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { newKey, retryRun, sendSignal, sendUpdate } from "../../api/actions";
import { executorsQuery, undoQuery } from "../../api/queries";
import type { Executor, Json, Run, RunDetail, Waiting } from "../../api/wire";
import { config } from "../../config";
import { type Allowed, isHeld, namedQueue, waitingLabel } from "../../lib/status";
import { formatAgo, formatExact, parseTime } from "../../lib/time";
import { Link, runPath } from "../../shell/router";
import { Since } from "../../ui/Ago";
import { errorText } from "../../lib/errors";
import { Button } from "../../ui/Button";
import { Notice } from "../../ui/Notice";
import { useNow } from "../../lib/clock";
import { parseJson } from "../../ui/JsonField";
import { useToast } from "../../ui/toast";
import { Stack } from "../../features/error/ErrorView";
import { Compensations } from "./RunDialogs";

interface Props {
  detail: RunDetail;
  allowed: Allowed;
  onStep: (seq: number) => void;
}

/** What the reader should know first: why it failed, what it waits for, that nobody runs it. */
export function RunState({ detail, allowed, onStep }: Props) {
  const { run, timeline, lineage } = detail;
  const viewer = config.role === "viewer";
  if (run.status === "failed" && run.error && !run.undoId) {
    const failed = timeline.findLast((step) => step.status === "failed" && step.compensates === undefined);
    return (
      <Notice
        tone="bad"
        title={
          <>
            {run.error.type ? <span className="mono">{run.error.type}</span> : "Failed"}
            {failed ? (
              <>
                {" "}
                in{" "}
                <button type="button" className="link" onClick={() => onStep(failed.seq)}>
                  {failed.name}
                </button>
              </>
            ) : null}
          </>
        }
        actions={
          failed?.childRunId ? (
            <Link to={runPath(failed.childRunId)} className="btn">
              Open the child that failed
            </Link>
          ) : undefined
        }
      >
        <p className="pre">{run.error.message}</p>
        <Stack text={run.error.stack} />
      </Notice>
    );
  }
  if (run.status === "dead") {
    return (
      <Notice
        tone="bad"
        title="Dead: it crashed its worker too often"
        actions={
          lineage.deadLetter ? (
            <Link to={runPath(lineage.deadLetter.id)} className="btn">
              See its dead-letter handler
            </Link>
          ) : undefined
        }
      >
        The engine gave up after {run.recoveryAttempts} starts. Retry puts it back on its queue with a new count; steps
        that completed stay.
      </Notice>
    );
  }
  if (run.status === "blocked") return <BlockedNotice run={run} />;
  if (run.status === "cancelling" || run.undoId) return <UndoNotice detail={detail} />;
  if (!run.waiting || run.status !== "suspended") return null;
  const child = timeline.find((step) => step.seq === run.waiting?.seq)?.childRunId;
  return <WaitingNotice runId={run.id} waiting={run.waiting} childId={child} allowed={allowed} viewer={viewer} />;
}

/** What no live worker has that the run needs: the first thing to mend. */
function whyBlocked(run: Run, workers: Executor[]): ReactNode {
  const live = workers.filter((worker) => worker.status === "live");
  const queue = namedQueue(run.queue);
  const version = run.workflowVersion;
  if (live.length === 0) return "No worker is alive. Start one.";
  if (
    version !== undefined &&
    live.every((worker) => worker.appVersion !== undefined && worker.appVersion !== version)
  ) {
    const versions = [...new Set(live.map((worker) => worker.appVersion))].join(", ");
    return (
      <>
        It wants version <span className="mono">{version}</span>, and the workers that are alive have{" "}
        <span className="mono">{versions}</span>. Start a worker of its version, or cancel it and retry: a retry takes a
        version that is alive.
      </>
    );
  }
  if (queue && live.every((worker) => worker.queues.length > 0 && !worker.queues.includes(queue)))
    return (
      <>
        No worker that is alive listens to queue <strong>{queue}</strong>. Start one that does.
      </>
    );
  if (live.every((worker) => worker.workflows.length > 0 && !worker.workflows.includes(run.workflow)))
    return (
      <>
        No worker that is alive has the workflow <strong>{run.workflow}</strong>. Start one that does.
      </>
    );
  return (
    <>
      No worker that is alive has its workflow, its version and{" "}
      {queue ? (
        <>
          listens to queue <strong>{queue}</strong>
        </>
      ) : (
        "listens to its queue"
      )}{" "}
      all at once.
    </>
  );
}

function BlockedNotice({ run }: { run: Run }) {
  const workers = useQuery(executorsQuery);
  const actions = (
    <Link to="/workers" className="btn">
      See workers
    </Link>
  );
  if (isHeld(run)) {
    return (
      <Notice tone="warn" title="Its worker is lost" actions={actions}>
        <span className="mono">{run.executor}</span> held it and stopped beating. Re-dispatch it: another worker goes on
        after the last completed step. Or start that worker again under its id.
      </Notice>
    );
  }
  return (
    <Notice tone="warn" title="No worker can run it" actions={actions}>
      {workers.data ? whyBlocked(run, workers.data) : null}
    </Notice>
  );
}

/** How far the undo is, or how it went. A stuck compensation is shown and never halts the rest. */
function UndoNotice({ detail }: { detail: RunDetail }) {
  const { run, lineage } = detail;
  const active = run.status === "cancelling";
  const client = useQueryClient();
  const say = useToast();
  const query = useQuery({ ...undoQuery(run.id), refetchInterval: active ? 1000 : false });
  const steps = query.data?.compensations.filter((step) => step.undo) ?? [];
  const done = steps.filter((step) => step.status === "completed").length;
  const failed = steps.filter((step) => step.status === "failed").length;
  const stuck = !active && lineage.undo?.status === "failed";
  const retry = useMutation({
    mutationFn: (undoId: string) => retryRun(undoId),
    onSuccess: () => {
      say("The undo goes on.");
      void client.invalidateQueries({ queryKey: ["run", run.id] });
    },
    onError: (error) => say(errorText(error), "bad"),
  });
  const actions = lineage.undo ? (
    <>
      {stuck ? (
        <Button
          tone="primary"
          icon="retry"
          disabled={config.role === "viewer"}
          busy={retry.isPending}
          onClick={() => {
            if (lineage.undo) retry.mutate(lineage.undo.id);
          }}
        >
          Retry the undo
        </Button>
      ) : null}
      <Link to={runPath(lineage.undo.id)} className="btn">
        Open the undo
      </Link>
    </>
  ) : undefined;
  return (
    <Notice
      tone={stuck || failed > 0 ? "bad" : active ? "info" : "good"}
      title={active ? "Being undone" : stuck ? "The undo is stuck" : "Undone"}
      actions={actions}
    >
      <p>
        {steps.length > 0
          ? `${done} of ${steps.length} compensations done${failed > 0 ? `, ${failed} failed` : ""}. `
          : ""}
        {active
          ? "They run in reverse order; the run is cancelled when they are through."
          : stuck
            ? "Mend the cause, then retry the undo: only what failed runs again."
            : "A retry is refused, for its effects are gone. Fork it instead."}
      </p>
      {active || stuck ? (
        <details className="stack" open={stuck || failed > 0}>
          <summary>Compensations</summary>
          <Compensations steps={query.data?.compensations ?? []} />
        </details>
      ) : null}
    </Notice>
  );
}

function WaitingNotice({
  runId,
  waiting,
  childId,
  allowed,
  viewer,
}: {
  runId: string;
  waiting: Waiting;
  childId: string | undefined;
  allowed: Allowed;
  viewer: boolean;
}) {
  const until = parseTime(waiting.until);
  const now = useNow(until !== null);
  const timeout =
    until !== null ? (
      <span title={formatExact(waiting.until)}>
        {" "}
        · {waiting.on === "sleep" ? "wakes" : "times out"} {formatAgo(until, now)}
      </span>
    ) : null;
  const known = waiting.name !== undefined;
  return (
    <Notice
      tone="info"
      title={
        <>
          {waiting.on === "sleep" ? "Sleeping" : <>Waiting for {waitingLabel(waiting)}</>}{" "}
          <span className="muted normal">
            for <Since at={waiting.since} />
            {timeout}
          </span>
        </>
      }
    >
      {waiting.on === "signal" && !known
        ? "The topic is not stored by the engine. Send to it from the menu when you know it."
        : null}
      {waiting.on === "breakpoint" && !viewer ? "Continue lets it go on with its next step." : null}
      {waiting.on === "webhook"
        ? "Its callback address was handed out by the workflow; a POST there resumes the run."
        : null}
      {childId ? <Link to={runPath(childId)}>Open the child run</Link> : null}
      {(allowed.signal || allowed.update) && known && !viewer ? (
        <MessageForm runId={runId} name={waiting.name ?? ""} kind={allowed.update ? "update" : "signal"} />
      ) : null}
    </Notice>
  );
}

function MessageForm({ runId, name, kind }: { runId: string; name: string; kind: "signal" | "update" }) {
  const client = useQueryClient();
  const say = useToast();
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string | null>(null);
  const [key, setKey] = useState(newKey);
  const send = useMutation({
    mutationFn: (value: Json) =>
      kind === "update" ? sendUpdate(runId, name, value, key) : sendSignal(runId, name, value, key),
    onSuccess: () => {
      say(kind === "update" ? "Update accepted." : "Signal sent.");
      setText("");
      setKey(newKey());
      void client.invalidateQueries({ queryKey: ["run", runId] });
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const parsed = parseJson(text);
    setWrong(parsed.error);
    if (parsed.error === null) send.mutate(parsed.value);
  };
  return (
    <form className="message-form" onSubmit={submit}>
      <input
        className="input mono"
        value={text}
        aria-label={`Message for ${name}`}
        placeholder='JSON, such as {"approved": true}'
        spellCheck={false}
        onChange={(event) => {
          setText(event.target.value);
          setWrong(null);
        }}
      />
      <Button type="submit" icon="send" tone="primary" busy={send.isPending}>
        {kind === "update" ? "Update" : "Send"}
      </Button>
      {wrong ? <p className="field-error">{wrong}</p> : null}
      {send.isError ? (
        <p className="field-error" role="alert">
          {errorText(send.error)}
        </p>
      ) : null}
    </form>
  );
}
