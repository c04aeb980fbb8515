/** Attempts in words. Pure. */
import { type AnyStatus, knownStatus } from "../../lib/status";
import { formatDuration, formatRunDuration } from "../../lib/time";
import { type Attempt, measureAttempt } from "./bars";

/** How an attempt stands. One that was moved or put back before it ended has no outcome of its own. */
export function outcomeOf({ outcome, endedAt }: Attempt): { status: AnyStatus; words: string } {
  if (outcome) return { status: knownStatus(outcome), words: outcome };
  return endedAt ? { status: "interrupted", words: "cut short" } : { status: "running", words: "under way" };
}

/** "queued 3 s, ran 12 s ±1 s". */
export function lasted(attempt: Attempt): string {
  const { queueMs, ranMs, rounded } = measureAttempt(attempt);
  const format = rounded ? formatRunDuration : formatDuration;
  const parts = [
    ...(queueMs !== null && queueMs >= 1000 ? [`queued ${format(queueMs)}`] : []),
    ...(ranMs !== null ? [`ran ${formatRunDuration(ranMs)}`] : []),
  ];
  return parts.join(", ") + (rounded && parts.length > 0 ? " ±1 s" : "");
}
