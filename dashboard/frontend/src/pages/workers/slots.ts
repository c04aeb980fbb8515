/** How full a queue is, and what keeps its runs waiting. Pure. */
import type { WorkerGroup } from "../../api/wire";

type Limits = Pick<
  WorkerGroup,
  "depth" | "running" | "paused" | "presenceKnown" | "concurrency" | "workerConcurrency" | "rateLimitMax"
> & { liveWorkers: readonly unknown[] };

/** What all live workers together may take at once; null where nobody reports presence or they have no limit. */
function ofWorkers({ workerConcurrency, presenceKnown, liveWorkers }: Limits): number | null {
  return workerConcurrency === undefined || !presenceKnown ? null : workerConcurrency * liveWorkers.length;
}

/** How many runs may be at work at once; null where nothing limits them, or nobody knows. */
export function slotsOf(group: Limits): number | null {
  const known = [group.concurrency, ofWorkers(group)].filter((one) => one !== undefined && one !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/** Which limit has been reached while runs wait; a rate only where no other limit can be the reason. */
export function bindingOf(group: Limits): "queue" | "worker" | "rate" | null {
  const { depth, running, paused, concurrency, liveWorkers } = group;
  if (depth === 0 || paused === true || (group.presenceKnown && liveWorkers.length === 0)) return null;
  const workers = ofWorkers(group);
  if (concurrency !== undefined && running >= concurrency) return "queue";
  if (workers !== null && running >= workers) return "worker";
  return group.rateLimitMax !== undefined && (group.workerConcurrency === undefined || workers !== null)
    ? "rate"
    : null;
}
