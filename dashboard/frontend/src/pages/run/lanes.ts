/** Opened children: their steps as rows below the step that started them, to four levels. Pure. */
import type { RunDetail, Step } from "../../api/wire";
import { FACTS } from "../../lib/status";
import { parseTime } from "../../lib/time";
import { barOf, orderSteps } from "./bars";
import { childRows } from "./children";
import { countSteps, type Entry } from "./folds";

/** Children of children of children of children. */
export const MOST_LEVELS = 4;
/** So many steps of an opened child are shown at first. */
export const LANE_STEPS = 20;

/** What is known of an opened child. */
export interface ChildLane {
  detail: RunDetail | undefined;
  error: Error | null;
  /** So many of its steps are wanted. */
  limit: number;
}
export type ChildLanes = ReadonlyMap<string, ChildLane>;

/**
 * Went wrong: what somebody who opens a child looks for. An interrupted step may have taken effect; a cancelled child
 * only did what its parent was told to do, and after a cancel that would be all of them.
 */
export function isWrong({ status }: Pick<Step, "status">): boolean {
  return status === "interrupted" || FACTS[status].failed;
}

/** The steps of a lane: all in order, or, of too many, what went wrong, what is under way, then the first ones. */
export function laneSteps(detail: RunDetail, limit: number): Step[] {
  const steps = orderSteps(detail.timeline, false);
  if (steps.length <= limit) return steps;
  const rank = (step: Step): number => (isWrong(step) ? 0 : step.finishedAt === undefined ? 1 : 2);
  return [...steps].sort((a, b) => rank(a) - rank(b)).slice(0, limit);
}

/** Put the rows of opened children behind the rows of the steps that started them. */
export function withLanes(entries: readonly Entry[], lanes: ChildLanes, now: number): Entry[] {
  if (lanes.size === 0) return [...entries];
  return entries.flatMap((entry) =>
    "bar" in entry && entry.attempt === null
      ? [entry, ...rowsOf(entry.bar.step, { lanes, now, depth: 1, path: new Set() })]
      : [entry],
  );
}

interface At {
  lanes: ChildLanes;
  now: number;
  depth: number;
  /** The runs above: none is its own child, but an answer could say so. */
  path: ReadonlySet<string>;
}

function rowsOf({ childRunId: id }: Step, at: At): Entry[] {
  const lane = id === undefined ? undefined : at.lanes.get(id);
  if (id === undefined || lane === undefined || at.depth > MOST_LEVELS || at.path.has(id)) return [];
  const { depth } = at;
  const { detail } = lane;
  if (!detail) return [{ note: lane.error ? "failed" : "loading", of: id, depth, error: lane.error }];
  const steps = laneSteps(detail, lane.limit);
  if (steps.length === 0 && detail.stepsTotal === 0) return [{ note: "empty", of: id, depth, error: null }];
  const children = new Map(childRows(detail).map((child) => [child.id, child]));
  const runEnd = detail.run.status === "cancelling" ? null : parseTime(detail.run.finishedAt);
  const rows: Entry[] = [];
  for (const step of steps) {
    const child = step.childRunId === undefined ? undefined : children.get(step.childRunId);
    rows.push({ bar: barOf(step, at.now, runEnd, child), attempt: null, fold: null, of: id, depth });
    rows.push(...rowsOf(step, { ...at, depth: depth + 1, path: new Set([...at.path, id]) }));
  }
  const left = countSteps(detail.timeline, detail.folds ?? []) - steps.length;
  const atHand = orderSteps(detail.timeline, false).length > steps.length;
  if (left > 0) rows.push({ note: atHand ? "more" : "folded", of: id, depth, error: null, left });
  return rows;
}

/** The children below what went wrong, to open them: three of a run at most. */
export function wrongChildren(detail: RunDetail): string[] {
  const wrong = orderSteps(detail.timeline, false).filter(isWrong);
  return wrong.flatMap(({ childRunId }) => childRunId ?? []).slice(0, 3);
}
