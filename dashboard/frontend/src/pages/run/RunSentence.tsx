import type { ReactNode } from "react";
import type { RunDetail, RunRow, Step, Timing } from "../../api/wire";
import { useNow } from "../../lib/clock";
import { measure } from "../../lib/measure";
import { isOpen, namedQueue, onVersion, stepLabel } from "../../lib/status";
import { formatGrowing, formatRunDuration, parseTime } from "../../lib/time";
import { Ago, Since } from "../../ui/Ago";
import { useTiming } from "./useTiming";
import { usualWords } from "./WhereTime";

const forward = (steps: readonly Step[]): Step[] =>
  steps.filter((step) => step.compensates === undefined && !step.housekeeping);

/** "after 2 s": how long it worked. */
function After({ detail: { run } }: { detail: RunDetail }) {
  return <>{run.durationMs === undefined ? "" : ` after ${formatRunDuration(run.durationMs)}`}</>;
}

/** How the run stands, in one sentence: what it did or does, for how long, on which version, when. */
export function RunSentence({ detail }: { detail: RunDetail }) {
  const { run } = detail;
  const timing = useTiming(run);
  const on = run.workflowVersion ? ` ${onVersion(run.workflowVersion)}` : "";
  return (
    <>
      {what(detail)}
      {run.status === "completed" && timing?.usual ? `, ${usualWords(timing.usual)}` : ""}
      {isOpen(run) ? "" : on}
      {run.finishedAt ? (
        <>
          , <Ago at={run.finishedAt} />
        </>
      ) : null}
      {run.status === "completed" || !timing ? null : <Usually run={run} timing={timing} />}.{history(detail)}
    </>
  );
}

/** What is usual for a run that did not complete, or not yet. */
function Usually({ run, timing }: { run: RunRow; timing: Timing }) {
  const { usual, expectedAt, tookMs } = timing;
  if (!usual) return null;
  if (!isOpen(run)) return <>; usually succeeds in {formatRunDuration(usual.medianMs)}</>;
  if (run.status !== "running" && run.status !== "suspended") return null;
  return (
    <>
      ; {usualWords(usual)}
      {expectedAt ? (
        <>
          , should end <Soon at={expectedAt} />
        </>
      ) : run.status === "running" && tookMs > usual.p95Ms ? (
        `, longer than all of the last ${usual.count}`
      ) : null}
    </>
  );
}

/** An expected time, which may have passed when it is drawn. */
function Soon({ at }: { at: string }) {
  const now = useNow();
  return (parseTime(at) ?? now) <= now ? <>any moment</> : <Ago at={at} />;
}

function what(detail: RunDetail): ReactNode {
  const { run } = detail;
  const steps = forward(detail.timeline);
  const failed = steps.findLast((step) => step.status === "failed");
  switch (run.status) {
    case "completed":
      return run.durationMs === undefined ? "Completed" : `Completed in ${formatRunDuration(run.durationMs)}`;
    case "failed":
      return (
        <>
          Failed{failed ? ` in ${stepLabel(failed.name, undefined)}` : ""}
          <After detail={detail} />
        </>
      );
    case "cancelled":
      return (
        <>
          {run.timedOut ? "Cancelled by its timeout" : run.undoId ? undoneWords(detail) : "Cancelled"}
          <After detail={detail} />
        </>
      );
    case "dead":
      return `Given up after ${run.recoveryAttempts} starts`;
    case "cancelling":
      return "Being undone: compensations run in reverse order";
    case "blocked":
      return run.blocked?.reason.replace(/\.$/, "") ?? "No live worker can run it";
    case "pending":
      return <Pending detail={detail} />;
    case "suspended":
      return <Suspended detail={detail} />;
    case "running":
      return <Running detail={detail} />;
  }
}

/** An undo that failed has not undone the run. */
function undoneWords({ lineage }: RunDetail): string {
  if (lineage.undo?.status === "failed" || lineage.undo?.status === "dead") return "Cancelled, its undo is stuck";
  return "Cancelled and undone";
}

function Pending({ detail: { run } }: { detail: RunDetail }) {
  const queue = namedQueue(run.queue);
  const now = useNow();
  const since = formatGrowing(measure(run, now).queueMs);
  if (run.waiting?.on === "delay" && run.waiting.until) {
    return (
      <>
        Delayed: starts <Ago at={run.waiting.until} />
      </>
    );
  }
  return queue ? `In queue ${queue} for ${since}` : `Waiting to be picked up for ${since}`;
}

function Suspended({ detail: { run, timeline } }: { detail: RunDetail }) {
  const done = forward(timeline).findLast((step) => step.finishedAt !== undefined);
  return (
    <>
      {run.waiting ? (
        <>
          Suspended for <Since at={run.waiting.since} />
        </>
      ) : (
        "Suspended"
      )}
      {done ? `, after ${stepLabel(done.name, undefined)}` : ""}
    </>
  );
}

function Running({ detail }: { detail: RunDetail }) {
  const now = useNow();
  const open = forward(detail.timeline).filter((step) => step.finishedAt === undefined && step.status === "running");
  const [step] = open;
  const total = formatGrowing(measure(detail.run, now).workMs);
  if (!step) return `Running for ${total}`;
  return (
    <>
      In {open.length > 1 ? `${open.length} steps` : stepLabel(step.name, undefined)}
      {step.startedAt && open.length === 1 ? (
        <>
          {" "}
          for <Since at={step.startedAt} />
        </>
      ) : null}
      , running for {total}
    </>
  );
}

/** " Attempt 2, retried by ada." */
function history({ attempts }: RunDetail): string {
  const last = attempts.at(-1);
  if (!last || attempts.length < 2) return "";
  return ` Attempt ${last.n} of ${attempts.length}${last.by ? `, by ${last.by}` : ""}.`;
}
