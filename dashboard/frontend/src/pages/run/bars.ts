/** Where the bars of the timeline go. Pure. */
import type { RunDetail, RunRow, Step } from "../../api/wire";
import { isRounded } from "../../lib/measure";
import { parseTime } from "../../lib/time";

export interface Bar {
  step: Step;
  /** Unix milliseconds. */
  queuedAt: number;
  startAt: number;
  endAt: number;
  /** The child run ended here, well before its result was fetched; the rest of the bar is that wait. */
  doneAt: number | null;
  /** Grows with the clock. */
  open: boolean;
}

/** A shorter wait for a child's result is not worth a mark. */
const NOTICEABLE_MS = 500;
/** On SQLite the engine may round run times down to whole seconds. */
const ROUNDED_MS = 1000;

export interface Range {
  from: number;
  to: number;
}

/** In a queue. A wait that is not answered yet is pending too, and has begun. */
export function isQueued(step: Step): boolean {
  return step.status === "pending" && step.kind !== "signal" && step.kind !== "sleep";
}

export function barOf(step: Step, now: number, runEnd: number | null, child?: RunRow): Bar {
  const queued = parseTime(step.enqueuedAt);
  const started = parseTime(step.startedAt);
  const finished = parseTime(step.finishedAt);
  const queuedOnly = isQueued(step);
  const open = finished === null && runEnd === null;
  const until = finished ?? runEnd ?? now;
  const startAt = started ?? (queuedOnly ? until : (queued ?? until));
  const stamped = parseTime(child?.finishedAt);
  const childEnd = stamped === null ? null : stamped % ROUNDED_MS === 0 ? stamped + ROUNDED_MS : stamped;
  const endAt = Math.max(until, startAt);
  const doneAt = childEnd !== null && childEnd >= startAt && endAt - childEnd > NOTICEABLE_MS ? childEnd : null;
  return { step, queuedAt: Math.min(queued ?? startAt, startAt), startAt, endAt, doneAt, open };
}

/**
 * From the run's creation (or the beginning of its last attempt) to its last end, or to now while it is open or being
 * undone. Where the run's own times are whole seconds, its steps say when it began and ended.
 */
export function rangeOf(run: RunRow, bars: Bar[], now: number, begun: number | null = null): Range {
  const created = begun ?? parseTime(run.createdAt) ?? now;
  const finished = parseTime(run.finishedAt);
  let from = created;
  let to = run.status === "cancelling" ? now : (finished ?? now);
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const bar of bars) {
    first = Math.min(first, bar.queuedAt);
    if (!bar.open) last = Math.max(last, bar.endAt);
  }
  const rounded = isRounded(run);
  const began = first - (run.queueMs ?? 0);
  if (first < from) from = first;
  else if (rounded && began - from > 0 && began - from <= ROUNDED_MS) from = began;
  if (last > to) to = last;
  else if (rounded && finished !== null && to - last <= ROUNDED_MS) to = last;
  return { from, to: Math.max(to, from + 10) };
}

/** An earlier attempt, moved so that it begins where the last one does: one axis compares them. */
export interface Lane {
  attempt: Attempt;
  bar: Pick<Bar, "queuedAt" | "startAt" | "endAt">;
  steps: Bar[];
}

export type Attempt = RunDetail["attempts"][number];

/** When an attempt began as far as anybody saw: nobody sees when the engine itself puts a run back. */
export function begunAt(attempt: Attempt | undefined): string | undefined {
  return attempt?.enqueuedAt ?? attempt?.startedAt ?? attempt?.endedAt;
}

/** The earlier attempts, the newest first. ``at`` is where the axis begins. */
export function lanesOf(attempts: readonly Attempt[], at: number): Lane[] {
  return attempts
    .slice(0, -1)
    .toReversed()
    .map((attempt) => {
      const steps = stepsOf(attempt);
      const span = spanOf(attempt, steps, at);
      const by = at - span.queuedAt;
      const moved = <T extends Lane["bar"]>(bar: T): T => ({
        ...bar,
        queuedAt: bar.queuedAt + by,
        startAt: bar.startAt + by,
        endAt: bar.endAt + by,
      });
      return { attempt, bar: moved(span), steps: steps.map(moved) };
    });
}

/**
 * How long an attempt was queued and ran, as its lane shows it; null where nobody measured it. ``rounded`` where that
 * comes from whole seconds.
 */
export function measureAttempt(attempt: Attempt): { queueMs: number | null; ranMs: number | null; rounded: boolean } {
  const steps = stepsOf(attempt);
  const enqueued = parseTime(attempt.enqueuedAt) ?? parseTime(begunAt(attempt)) ?? 0;
  const { queuedAt, startAt, endAt } = spanOf(attempt, steps, enqueued);
  const own = [attempt.startedAt, attempt.endedAt].map((at) => parseTime(at) ?? 0);
  const times = [...own, ...steps.flatMap((bar) => [bar.startAt, bar.endAt])];
  return {
    queueMs: attempt.enqueuedAt && startAt > queuedAt ? startAt - queuedAt : null,
    ranMs: attempt.endedAt && (attempt.startedAt || steps.length > 0) ? endAt - startAt : null,
    rounded: times.every((time) => time % ROUNDED_MS === 0),
  };
}

/** When an attempt was queued, began and ended. Where its times are whole seconds, its steps say it. */
function spanOf(attempt: Attempt, steps: readonly Bar[], otherwise: number): Lane["bar"] {
  const first = Math.min(...steps.map((bar) => bar.queuedAt));
  const last = Math.max(...steps.map((bar) => bar.endAt));
  const known = steps.length > 0;
  const queued = parseTime(attempt.enqueuedAt) ?? (known ? first : otherwise);
  const started = parseTime(attempt.startedAt);
  const rounded = [started, parseTime(attempt.endedAt)].every((time) => time === null || time % ROUNDED_MS === 0);
  let startAt = started ?? queued;
  if (known && (started === null || (rounded && Math.abs(first - startAt) <= ROUNDED_MS))) startAt = first;
  const ended = parseTime(attempt.endedAt) ?? startAt;
  const endAt = known && (ended < last || (rounded && ended - last <= ROUNDED_MS)) ? last : Math.max(ended, startAt);
  // Between two whole seconds that differ by one, nobody measured a queue.
  const whole = [queued, started ?? queued].every((time) => time % ROUNDED_MS === 0);
  const unmeasured = whole && (started ?? startAt) - queued <= ROUNDED_MS;
  const queuedAt = unmeasured ? startAt : Math.min(queued, startAt);
  return { queuedAt, startAt, endAt };
}

/** The steps that an attempt made and that a later one made again. */
function stepsOf(attempt: Attempt): Bar[] {
  const ended = parseTime(attempt.endedAt);
  return (attempt.steps ?? []).map(({ endedAt, ...step }) => {
    const at = ended ?? parseTime(step.startedAt) ?? 0;
    return barOf({ ...step, ...FORGOTTEN, ...(endedAt === undefined ? {} : { finishedAt: endedAt }) }, at, ended);
  });
}

/** What is not kept of a step of an earlier attempt, and is not drawn of it. */
const FORGOTTEN = { runId: "", stepId: "", spanId: "", attempts: 1 };

/** Results that the last attempt took over: they were made before it began. */
export function isKept(bar: Bar, begun: number | null): boolean {
  return begun !== null && !bar.open && bar.step.compensates === undefined && bar.endAt < begun - ROUNDED_MS;
}

/** Zoom about a point; never narrower than 2 ms, never wider than the whole. */
export function zoom(view: Range, whole: Range, factor: number, at: number): Range {
  const span = Math.min(whole.to - whole.from, Math.max(2, (view.to - view.from) * factor));
  const share = (at - view.from) / Math.max(1, view.to - view.from);
  return clampRange({ from: at - span * share, to: at - span * share + span }, whole);
}

export function pan(view: Range, whole: Range, byMs: number): Range {
  return clampRange({ from: view.from + byMs, to: view.to + byMs }, whole);
}

function clampRange(view: Range, whole: Range): Range {
  const span = Math.min(view.to - view.from, whole.to - whole.from);
  const from = Math.min(Math.max(view.from, whole.from), whole.to - span);
  return { from, to: from + span };
}

/** Share of the view, in percent, kept inside it; null when the bar lies outside. */
export function place(from: number, to: number, view: Range): { left: number; width: number } | null {
  if (to < view.from || from > view.to) return null;
  const span = view.to - view.from;
  const left = (Math.max(from, view.from) - view.from) / span;
  const right = (Math.min(to, view.to) - view.from) / span;
  return { left: left * 100, width: (right - left) * 100 };
}

/** Steps in the order they began; bookkeeping left out on request; an undo's compensations last. */
export function orderSteps(steps: Step[], withHousekeeping: boolean): Step[] {
  const shown = withHousekeeping ? steps : steps.filter((step) => !step.housekeeping);
  const undo = shown.filter((step) => step.compensates !== undefined).sort((a, b) => b.seq - a.seq);
  const forward = shown.filter((step) => step.compensates === undefined).sort((a, b) => a.seq - b.seq);
  return [...forward, ...undo];
}

/** One step after the other: nothing side by side, no child. */
export function isLine(steps: readonly Step[]): boolean {
  return steps.every((step) => step.parallelGroup === undefined && step.childRunId === undefined);
}
