/** Words for states. Pure. */
import type { RunRow, RunStatus, Step, StepKind, Waiting, WaitingOn } from "../api/wire";

export type AnyStatus = RunStatus | Step["status"];

export const STATUS_LABEL: Record<RunStatus, string> = {
  pending: "Pending",
  running: "Running",
  suspended: "Suspended",
  cancelling: "Cancelling",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
  dead: "Dead",
  blocked: "Blocked",
};

export const STATUS_HINT: Record<RunStatus, string> = {
  pending: "Created, not yet picked up by a worker",
  running: "A worker is executing it",
  suspended: "Parked on a sleep, signal, webhook, update, breakpoint or child",
  cancelling: "Being undone: compensations run in reverse",
  completed: "Ended well",
  failed: "Ended with an error; can be retried",
  cancelled: "Stopped by somebody",
  dead: "Gave up after too many recoveries; in the dead-letter state",
  blocked: "Nobody is there to run it: backlog and no live worker",
};

export const KIND_LABEL: Record<StepKind, string> = {
  local: "Local step",
  remote: "Child run",
  sleep: "Sleep",
  signal: "Wait",
};

const ON_LABEL: Record<WaitingOn, string> = {
  signal: "signal",
  webhook: "webhook",
  update: "update",
  breakpoint: "breakpoint",
  child: "child run",
  sleep: "sleep",
  queue: "queue",
  delay: "delay",
};

export function waitingLabel(waiting: Waiting): string {
  const what = ON_LABEL[waiting.on];
  if (waiting.on === "sleep" || waiting.on === "delay") return waiting.on === "sleep" ? "sleeping" : "delayed";
  if (waiting.on === "queue") {
    const queue = namedQueue(waiting.name);
    return queue ? `in queue ${queue}` : "in queue";
  }
  return waiting.name ? `${what} ${waiting.name}` : what;
}

export function isOpen(run: Pick<RunRow, "status">): boolean {
  return (
    run.status === "pending" ||
    run.status === "running" ||
    run.status === "suspended" ||
    run.status === "cancelling" ||
    run.status === "blocked"
  );
}

/** Blocked in the hands of a worker that is gone, not in a queue to which nobody listens. */
export function isHeld(run: Pick<RunRow, "status" | "waiting">): boolean {
  return run.status === "blocked" && run.waiting?.on !== "queue";
}

/** The engine's own queues are plumbing, not places that somebody chose. */
export function namedQueue(queue: string | undefined): string | undefined {
  return queue === undefined || queue.startsWith("_dbos") ? undefined : queue;
}

/** A compensation is recorded as "compensate:<step>": people read "undo <step>". */
export function stepLabel(name: string, compensates: number | undefined): string {
  return compensates === undefined ? name : `undo ${name.replace(/^compensate:/, "")}`;
}

/** What can be done to a run in this state; the server has the last word. */
export interface Allowed {
  retry: boolean;
  cancel: boolean;
  undo: boolean;
  continue: boolean;
  signal: boolean;
  update: boolean;
  fork: boolean;
  retryWithInput: boolean;
  redispatch: boolean;
}

export function allowedActions(run: RunRow, hasSteps: boolean): Allowed {
  const { status, waiting } = run;
  const undone = run.undoId !== undefined;
  const open = status === "pending" || status === "running" || status === "suspended" || status === "blocked";
  const ended = status === "failed" || status === "dead" || status === "cancelled" || status === "completed";
  return {
    retry: (status === "failed" || status === "dead" || status === "cancelled") && !undone,
    cancel: open,
    undo: status !== "completed" && status !== "cancelling" && status !== "pending" && !undone && hasSteps,
    continue: status === "suspended" && waiting?.on === "breakpoint",
    signal: status === "suspended" && waiting?.on === "signal",
    update: status === "suspended" && waiting?.on === "update",
    fork: hasSteps && status !== "cancelling",
    retryWithInput: ended,
    redispatch: isHeld(run) || status === "running",
  };
}

/** A UUID by its first eight digits; ids that somebody chose stay whole. */
export function shortId(id: string): string {
  return /^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(id) ? id.slice(0, 8) : id;
}
