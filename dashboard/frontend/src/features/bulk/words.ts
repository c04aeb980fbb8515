/** What a bulk action is called and whom it can touch. Pure. */
import type { BulkAction } from "../../api/actions";
import type { Facet, Json, RunStatus } from "../../api/wire";
import type { RunFilter } from "../../lib/filter";
import { counted, FACTS } from "../../lib/status";

export const VERB: Record<BulkAction, string> = { retry: "Retry", cancel: "Cancel", move: "Move" };
export const DONE: Record<BulkAction, string> = { retry: "retried", cancel: "cancelled", move: "moved" };

const NOUN: Record<string, string> = { retry: "Retry", cancel: "Cancellation", move: "Move" };

/** "Retry of 103 runs". */
export const bulkTitle = (action: string | undefined, matched: number): string =>
  `${NOUN[action ?? ""] ?? "Bulk action"} of ${counted(matched, "run")}`;

/** Whom the action can touch by their status; whether it may touch a run is in the run's ``allowed``. */
export function touches(action: BulkAction, status: RunStatus): boolean {
  return action === "retry" ? FACTS[status].retriable : FACTS[status].cancellable;
}

/** How many runs of the filter there are, of those that ``which`` picks; a lower bound when not all were counted. */
export function countOf(
  facets: readonly Facet[] | undefined,
  filter: RunFilter,
  which: (status: RunStatus) => boolean,
): { count: number; exact: boolean } {
  let count = 0;
  let exact = true;
  for (const facet of facets ?? []) {
    if (filter.status.length > 0 && !filter.status.includes(facet.status)) continue;
    if (!which(facet.status)) continue;
    count += facet.count;
    exact &&= facet.exact;
  }
  return { count, exact };
}

/** What became of one run of a bulk action. */
export interface BulkResult {
  runId: string;
  outcome: string;
  detail: string;
}

const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");

export function readResult(entry: Record<string, Json>): BulkResult {
  return { runId: text(entry.runId), outcome: text(entry.outcome), detail: text(entry.detail) };
}
