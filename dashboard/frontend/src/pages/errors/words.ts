/** The time that the error pages look at. Pure. */
import type { TimeRange } from "../../lib/range";

export const DEFAULT_SINCE = "7d";

/** From the address; without a beginning, a week before its end. */
export function rangeOf(since: string | null, until: string | null): TimeRange {
  if (since !== null) return { since, until: until ?? "" };
  const end = until === null ? Number.NaN : Date.parse(until);
  return Number.isNaN(end)
    ? { since: DEFAULT_SINCE, until: "" }
    : { since: new Date(end - WEEK_MS).toISOString(), until: until ?? "" };
}

const WEEK_MS = 7 * 86_400_000;
