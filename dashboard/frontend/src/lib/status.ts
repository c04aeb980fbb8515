/** Words for states. Pure. */
import { formatCount } from "./time";
import statuses from "../api/statuses.json";
import { RUN_STATUSES, type RunRow, type RunStatus, type StepKind, type Waiting, type WaitingOn } from "../api/wire";

/** Of runs, steps and attempts: a step alone can be interrupted, an attempt alone lost with its worker. */
export type AnyStatus = RunStatus | "interrupted" | "lost";

interface StatusWords {
  label: string;
  hint: string;
}

interface StatusFacts {
  open: boolean;
  retriable: boolean;
  cancellable: boolean;
  /** An executor may have taken it. */
  held: boolean;
  /** Ended with an error, and not because somebody wanted it. */
  failed: boolean;
  /** Ended otherwise than completed. */
  unsuccessful: boolean;
}

/** One row for each status: how it is called. What may happen in it is in ``FACTS``. */
export const STATUS: Record<AnyStatus, StatusWords> = {
  pending: { label: "Pending", hint: "Created, not yet picked up by a worker" },
  running: { label: "Running", hint: "A worker is executing it" },
  suspended: { label: "Suspended", hint: "Waits for a sleep, signal, webhook, update, breakpoint or child run" },
  blocked: { label: "Blocked", hint: "No live worker can run it" },
  cancelling: { label: "Cancelling", hint: "Being undone: compensations run in reverse order" },
  completed: { label: "Completed", hint: "Ended without an error" },
  failed: { label: "Failed", hint: "Ended with an error; can be retried" },
  dead: { label: "Dead", hint: "Given up after too many recoveries" },
  cancelled: { label: "Cancelled", hint: "Stopped by somebody or by its timeout" },
  interrupted: {
    label: "Interrupted",
    hint: "In flight when its run was cancelled or its worker lost. It may have taken effect",
  },
  lost: { label: "Lost", hint: "Its worker stopped responding; it was re-dispatched" },
};

/** The server's own table of what may happen in a status (statuses.json is generated from it). */
export const FACTS: Record<RunStatus, StatusFacts> = statuses;

/** The statuses of which a fact is true, in the order of the chips. */
export function statusesThat(fact: keyof StatusFacts): RunStatus[] {
  return RUN_STATUSES.filter((status) => FACTS[status][fact]);
}

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

/** What happens at the end of a wait that has one, to stand before "in 4m". */
export function untilLabel({ on }: Waiting): string {
  return on === "sleep" ? "wakes" : on === "delay" ? "starts" : "times out";
}

/** "on version 1", "on v2": names that begin with a v say it themselves. */
export function onVersion(version: string): string {
  return /^v\d/i.test(version) ? `on ${version}` : `on version ${version}`;
}

/** More may happen to it by itself. */
export function isOpen(run: Pick<RunRow, "status">): boolean {
  return FACTS[run.status].open;
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
  return name.replace(/^(signal|breakpoint|webhook|update|sleep):/, "");
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
