/** Keeps a loaded run list true while the world moves. Pure. */
import type { Page } from "../api/http";
import type { Changed, LifecycleEvent, RunRow, RunStatus } from "../api/wire";

export interface RunPage extends Page<RunRow> {
  /** Fewer rows than asked, and yet not the last page: a rare filter, searched within a time budget. */
  short: boolean;
}

function newer(a: RunRow, b: Pick<RunRow, "createdAt" | "id">): boolean {
  return a.createdAt > b.createdAt || (a.createdAt === b.createdAt && a.id > b.id);
}

/**
 * Put a fresh first page in front of pages loaded before.
 * Where the fresh page speaks (rows at least as new as its last) it decides alone: a row that it lacks has left the filter.
 * When it no longer touches what was loaded, there would be a gap: the old pages are dropped.
 */
export function mergeHead(pages: RunPage[], head: RunPage): RunPage[] {
  const [first] = pages;
  if (!first || head.next === null) return [head];
  const last = head.rows.at(-1);
  if (!last) return [head];
  const known = new Set(pages.flatMap((page) => page.rows.map((row) => row.id)));
  if (!head.rows.some((row) => known.has(row.id))) return [head];
  if (pages.length === 1 && first.rows.length <= head.rows.length) {
    const older = first.rows.filter((row) => newer(last, row));
    return [{ ...head, rows: [...head.rows, ...older], next: older.length ? first.next : head.next }];
  }
  const inHead = new Set(head.rows.map((row) => row.id));
  const rest = pages.map((page) => ({
    ...page,
    rows: page.rows.filter((row) => !inHead.has(row.id) && newer(last, row)),
  }));
  const [restFirst, ...others] = rest;
  if (!restFirst) return [head];
  return [{ ...restFirst, rows: [...head.rows, ...restFirst.rows] }, ...others];
}

const STATUS_OF: Partial<Record<LifecycleEvent["type"], RunStatus>> = {
  "run.pending": "pending",
  "run.started": "running",
  "run.suspended": "suspended",
  "run.resumed": "running",
  "run.completed": "completed",
  "run.failed": "failed",
  "run.cancelling": "cancelling",
  "run.cancelled": "cancelled",
  "run.dead": "dead",
};

export function statusOfEvent(event: LifecycleEvent): RunStatus | null {
  return STATUS_OF[event.type] ?? null;
}

/** Show what an event says on a row that is loaded, until the next page read confirms it. */
export function applyEvent(row: RunRow, event: LifecycleEvent | Changed): RunRow {
  if (event.runId !== row.id) return row;
  if (event.run) return event.run;
  if (event.type === "changed") return row;
  const status = statusOfEvent(event);
  if (status === null || event.at < row.updatedAt) return row;
  const ended = status === "completed" || status === "failed" || status === "cancelled" || status === "dead";
  return {
    ...row,
    status,
    waiting: status === "suspended" ? row.waiting : undefined,
    updatedAt: event.at,
    finishedAt: ended ? event.at : undefined,
    durationMs: ended ? (event.durationMs ?? row.durationMs) : row.durationMs,
  };
}

/** New rows above what the reader looks at: how many, so that the list does not jump under the pointer. */
export function countAbove(rows: RunRow[], top: Pick<RunRow, "createdAt" | "id"> | null): number {
  if (top === null) return 0;
  // By its place in time, not by its presence: the row at the top may leave the filter meanwhile.
  const index = rows.findIndex((row) => !newer(row, top));
  return index < 0 ? 0 : index;
}

/** Put the rows that events carry where they belong: replaced, taken out when they left the filter, added when new. */
export function mergeEvents(
  pages: RunPage[],
  events: (LifecycleEvent | Changed)[],
  statuses: readonly RunStatus[],
): RunPage[] {
  const latest = new Map<string, LifecycleEvent | Changed>();
  for (const event of events)
    if (event.type === "changed" || statusOfEvent(event) !== null) latest.set(event.runId, event);
  if (latest.size === 0 || pages.length === 0) return pages;
  const matches = (row: RunRow): boolean => statuses.length === 0 || statuses.includes(row.status);
  const known = new Set<string>();
  const next = pages.map((page) => {
    if (!page.rows.some((row) => latest.has(row.id))) return page;
    const rows: RunRow[] = [];
    for (const row of page.rows) {
      const event = latest.get(row.id);
      known.add(row.id);
      const updated = event ? applyEvent(row, event) : row;
      if (!event || matches(updated)) rows.push(updated);
    }
    return { ...page, rows };
  });
  const fresh = [...latest.values()]
    .map((event) => event.run)
    .filter((row): row is RunRow => row !== undefined && !known.has(row.id) && matches(row));
  const [first, ...rest] = next;
  if (!first || fresh.length === 0) return next;
  const last = first.rows.at(-1);
  const complete = first.next === null;
  const added = fresh.filter((row) => complete || last === undefined || newer(row, last));
  const rows = [...added, ...first.rows].sort((a, b) => (newer(a, b) ? -1 : 1));
  return [{ ...first, rows }, ...rest];
}
