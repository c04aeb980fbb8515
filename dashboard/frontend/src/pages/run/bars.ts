/** Where the bars of the timeline go. Pure. */
import type { RunRow, Step } from "../../api/wire";
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

export function barOf(step: Step, now: number, runEnd: number | null, child?: RunRow): Bar {
  const queued = parseTime(step.enqueuedAt);
  const started = parseTime(step.startedAt);
  const finished = parseTime(step.finishedAt);
  const pending = step.status === "pending";
  const open = finished === null && runEnd === null;
  const until = finished ?? runEnd ?? now;
  const startAt = started ?? (pending ? until : (queued ?? until));
  const stamped = parseTime(child?.finishedAt);
  const childEnd = stamped === null ? null : stamped % ROUNDED_MS === 0 ? stamped + ROUNDED_MS : stamped;
  const endAt = Math.max(until, startAt);
  const doneAt = childEnd !== null && childEnd >= startAt && endAt - childEnd > NOTICEABLE_MS ? childEnd : null;
  return { step, queuedAt: Math.min(queued ?? startAt, startAt), startAt, endAt, doneAt, open };
}

/** From the run's creation to its last end, or to now while it is open or being undone. */
export function rangeOf(run: RunRow, bars: Bar[], now: number): Range {
  const created = parseTime(run.createdAt) ?? now;
  const finished = parseTime(run.finishedAt);
  let from = created;
  let to = run.status === "cancelling" ? now : (finished ?? now);
  for (const bar of bars) {
    if (bar.queuedAt < from) from = bar.queuedAt;
    if (!bar.open && bar.endAt > to) to = bar.endAt;
  }
  return { from, to: Math.max(to, from + 10) };
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
