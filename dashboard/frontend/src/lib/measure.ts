/** How long a run waited and worked. Pure. */
import type { RunRow } from "../api/wire";
import { isHeld, isOpen } from "./status";
import { parseTime } from "./time";

/** Time in the queue and at work, up to now for a run that is open. */
export function measure(row: RunRow, now: number): { queueMs: number; workMs: number } {
  const created = parseTime(row.createdAt) ?? now;
  const started = parseTime(row.startedAt);
  if (row.status === "pending" || (row.status === "blocked" && !isHeld(row)))
    return { queueMs: Math.max(0, now - queuedSince(row, created)), workMs: 0 };
  // Recovery overwrites the start: an open run has been at work since it was created, or a little later.
  const begin = isOpen(row) && row.recoveryAttempts > 1 ? created : (started ?? created);
  // A run that ended without a duration never started, or nobody knows when: it did not work since it was created.
  const workMs = row.durationMs ?? (isOpen(row) ? Math.max(0, now - begin) : 0);
  return { queueMs: row.queueMs ?? 0, workMs };
}

/** Since when a run is on its queue: not for the time that it was delayed on purpose, nor for an earlier attempt's. */
function queuedSince(row: RunRow, created: number): number {
  const { waiting } = row;
  return parseTime(waiting?.on === "delay" ? (waiting.until ?? waiting.since) : waiting?.since) ?? created;
}

/** Some stores keep the times of runs in whole seconds, those of steps in milliseconds. */
export function isRounded(row: Pick<RunRow, "roundedMs">): boolean {
  return row.roundedMs !== undefined;
}

/** Between two whole seconds that differ by one nobody measured a queue. */
export function hasQueued(row: RunRow): boolean {
  return (row.queueMs ?? 0) > (isRounded(row) ? 1000 : 0);
}
