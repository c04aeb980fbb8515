/**
 * The newest known state of each run, from any source: a page of the list, a run's page, an event, a snapshot, the
 * answer of an action. An older version never replaces a newer one, however late it comes.
 */
import type { RunDetail, RunRow } from "../api/wire";
import { isOpen } from "../lib/status";

/** A run's row, and when it was asked for or heard (``tick``). */
export interface Version {
  row: RunRow;
  at: number;
}

/**
 * Whether ``next`` may replace ``old``. The store's own stamp decides; where it is the same (a worker that is lost, a wait
 * that begins: neither touches the run's row) the order in which the page asked and heard does.
 */
export function isNewer(next: Version, old: Version): boolean {
  if (next.row.updatedAt !== old.row.updatedAt) return next.row.updatedAt > old.row.updatedAt;
  return next.at >= old.at;
}

/** More than any list shows at once; the oldest are forgotten, and shown as their page has them. */
const MOST_RUNS = 5000;

export class RunStore {
  private readonly runs = new Map<string, Version>();
  private readonly listeners = new Set<() => void>();
  private changes = 0;

  /** Take a row; return whether it is news. Say so to nobody yet: ``announce`` does, for many at once. */
  put(row: RunRow, at: number): boolean {
    const old = this.runs.get(row.id);
    if (old && !isNewer({ row, at }, old)) return false;
    this.runs.delete(row.id);
    this.runs.set(row.id, { row, at });
    if (this.runs.size > MOST_RUNS) for (const id of this.runs.keys()) return (this.runs.delete(id), true);
    return true;
  }

  get(id: string): Version | undefined {
    return this.runs.get(id);
  }

  /** The newer of a given row and the known one. */
  newest(row: RunRow, at: number): RunRow {
    const known = this.runs.get(row.id);
    return known && !isNewer({ row, at }, known) ? known.row : row;
  }

  announce(): void {
    this.changes += 1;
    for (const listener of [...this.listeners]) listener();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  /** Grows with each announcement. */
  readonly version = (): number => this.changes;

  clear(): void {
    this.runs.clear();
    this.announce();
  }
}

/** The page's own. Ids are the server's: one page, one server. */
export const runs = new RunStore();

type Run = RunDetail["run"];

/** What a run has beyond its row, and whether it belongs to the end that the run came to. None of it is in events. */
const BEYOND_THE_ROW: Record<Exclude<keyof Run, keyof RunRow>, boolean> = {
  input: false,
  output: true,
  truncated: false,
  payloadFormats: false,
  payloadProblems: false,
  traceUrl: false,
};

/** A run with a newer row in place of its own: replaced, never spread, for an absent field means that it has none. */
export function withRow(run: Run, row: RunRow): Run {
  const sameEnd = !isOpen(row) && row.status === run.status && row.finishedAt === run.finishedAt;
  const kept = Object.entries(BEYOND_THE_ROW)
    .filter(([key, ofTheEnd]) => key in run && (!ofTheEnd || sameEnd))
    .map(([key]) => [key, run[key as keyof Run]]);
  // A row has the first line of its error, a run the whole.
  const error = sameEnd && run.error ? { error: run.error } : {};
  return { ...row, ...(Object.fromEntries(kept) as Partial<Run>), ...error };
}

/** A run's row, without what only its own page has. */
export function rowOf(run: Run): RunRow {
  const row: Partial<Run> = { ...run };
  for (const key of Object.keys(BEYOND_THE_ROW)) delete row[key as keyof Run];
  return row as RunRow;
}
