/** Words for states. Pure. */
import { formatCount } from "./time";
import type { RunRow, RunStatus, StepKind, Waiting, WaitingOn } from "../api/wire";

/** Of runs, steps and attempts: a step alone can be interrupted, an attempt alone lost with its worker. */
export type AnyStatus = RunStatus | "interrupted" | "lost";

interface StatusFacts {
  label: string;
  hint: string;
  /** More may happen to it by itself. */
  open?: true;
  /** What bulk actions count; whether a run itself may be acted on is in its ``allowed``. */
  retriable?: true;
  cancellable?: true;
}

/** One row for each status. */
export const STATUS: Record<AnyStatus, StatusFacts> = {
  pending: { label: "Pending", hint: "Created, not yet picked up by a worker", open: true, cancellable: true },
  running: { label: "Running", hint: "A worker is executing it", open: true, cancellable: true },
  suspended: {
    label: "Suspended",
    hint: "Waits for a sleep, signal, webhook, update, breakpoint or child run",
    open: true,
    cancellable: true,
  },
  blocked: { label: "Blocked", hint: "No live worker can run it", open: true, cancellable: true },
  cancelling: { label: "Cancelling", hint: "Being undone: compensations run in reverse order", open: true },
  completed: { label: "Completed", hint: "Ended without an error" },
  failed: { label: "Failed", hint: "Ended with an error; can be retried", retriable: true },
  dead: { label: "Dead", hint: "Given up after too many recoveries", retriable: true },
  cancelled: { label: "Cancelled", hint: "Stopped by somebody or by its timeout", retriable: true },
  interrupted: {
    label: "Interrupted",
    hint: "In flight when its run was cancelled or its worker lost. It may have taken effect",
  },
  lost: { label: "Lost", hint: "Its worker stopped responding; it was re-dispatched" },
};

/** A status as the wire spells it, or one that this page does not know yet. */
export function knownStatus(status: string): AnyStatus {
  return status in STATUS ? (status as AnyStatus) : "pending";
}

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
  return STATUS[run.status].open ?? false;
}

/** Blocked in the hands of a worker that is gone, not in a queue to which nobody listens. */
export function isHeld(run: Pick<RunRow, "status" | "waiting">): boolean {
  return run.status === "blocked" && run.waiting?.on !== "queue";
}

/** The engine's own queues and the dashboard's are plumbing, not places that somebody chose. */
export function namedQueue(queue: string | undefined): string | undefined {
  return queue === undefined || queue.startsWith("_dbos") || queue.startsWith("durable.") ? undefined : queue;
}

/** Names as people read them: "undo <step>" of a compensation, and of a wait its label; an icon says its kind. */
export function stepLabel(name: string, compensates: number | undefined): string {
  if (compensates !== undefined) return `undo ${name.replace(/^compensate:/, "")}`;
  return name.replace(/^(signal|breakpoint|webhook|update):/, "");
}

/** A UUID by its first eight digits; ids that somebody chose stay whole. */
export function shortId(id: string): string {
  return /^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(id) ? id.slice(0, 8) : id;
}

/** "1 run", "3 runs", "1.2k runs". */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${formatCount(n)} ${n === 1 ? one : many}`;
}

/** "app.errors.GatewayTimeout" is GatewayTimeout to people. */
export function shortType(type: string): string {
  return type.slice(type.lastIndexOf(".") + 1);
}
