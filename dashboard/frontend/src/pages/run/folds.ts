/** Rows of the timeline: steps, the loops and stretches that hide some of them, earlier attempts. Pure. */
import type { Fold, Step } from "../../api/wire";
import { counted, stepLabel } from "../../lib/status";
import type { Bar, Lane } from "./bars";

/** How far an opened fold has been read: up to the step with which its next part begins. */
export interface Opened {
  steps: Step[];
  /** Null when the last of its steps is there. */
  next: number | null;
}

/** What a row of an opened child (``of``) says where it is no step; ``folded``: its other steps are in loops. */
export type LaneNote = "loading" | "failed" | "empty" | "more" | "folded";

/** A row: a step (of the run, of an earlier attempt, of an opened child), the head of a fold or of an earlier attempt. */
export type Entry =
  | { bar: Bar; attempt: number | null; fold: Fold | null; of?: string; depth?: number }
  | { note: LaneNote; of: string; depth: number; error: Error | null; left?: number }
  | { fold: Fold; opened: boolean }
  | { more: Fold; left: number }
  | { lane: Lane };

/** The steps that the page has: those of the answer, and those of opened folds. */
export function withOpened(timeline: readonly Step[], opened: ReadonlyMap<number, Opened>): Step[] {
  if (opened.size === 0) return [...timeline];
  const bySeq = new Map(timeline.map((step) => [step.seq, step]));
  for (const { steps } of opened.values())
    for (const step of steps) if (!bySeq.has(step.seq)) bySeq.set(step.seq, step);
  return [...bySeq.values()];
}

/** Put the heads of folds before their steps, and behind what was read of an opened one how to read on. */
export function entriesOf(
  bars: readonly Bar[],
  lanes: readonly Lane[],
  folds: readonly Fold[],
  opened: ReadonlyMap<number, Opened>,
): Entry[] {
  const entries: Entry[] = [];
  let at = 0;
  const steps = (until: (bar: Bar) => boolean, fold: Fold | null): void => {
    for (let bar = bars[at]; bar && until(bar); bar = bars[at]) {
      entries.push({ bar, attempt: null, fold });
      at += 1;
    }
  };
  const forward = ({ step }: Bar): boolean => step.compensates === undefined;
  for (const fold of folds) {
    steps((bar) => forward(bar) && bar.step.seq < fold.first, null);
    const read = opened.get(fold.first);
    entries.push({ fold, opened: read !== undefined });
    const next = read?.next ?? null;
    if (next !== null) {
      steps((bar) => forward(bar) && bar.step.seq < next, fold);
      entries.push({ more: fold, left: fold.count - (read?.steps.filter((step) => !step.housekeeping).length ?? 0) });
    }
    steps((bar) => forward(bar) && bar.step.seq <= fold.last, fold);
  }
  steps(() => true, null);
  for (const lane of lanes) {
    entries.push({ lane });
    for (const bar of lane.steps) entries.push({ bar, attempt: lane.attempt.n, fold: null });
  }
  return entries;
}

/** "extract → transform → load", or "4,800 steps". */
export function foldLabel({ names, count }: Fold): string {
  return names.length > 0 ? names.map((name) => stepLabel(name, undefined)).join(" → ") : counted(count, "step");
}

/** How many steps the run has, those in folds among them; the engine's own apart. */
export function countSteps(timeline: readonly Step[], folds: readonly Fold[]): number {
  const kept = new Set(folds.flatMap((fold) => fold.kept));
  const outside = timeline.filter((step) => !step.housekeeping && !kept.has(step.seq)).length;
  return outside + folds.reduce((sum, fold) => sum + fold.count, 0);
}
