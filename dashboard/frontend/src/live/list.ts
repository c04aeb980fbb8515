/**
 * One run list: its pages as they were answered, and over them what was heard since. Pure.
 *
 * The pages are never changed. What is shown is computed from both, so that no answer, however late, undoes an event, and
 * no event is lost because a page was on its way.
 */
import type { Page } from "../api/http";
import type { RunRow } from "../api/wire";
import { isNewer, type RunStore, type Version } from "./store";

export interface RunPage extends Page<RunRow> {
  /** Fewer rows than asked, and yet not the last page: a rare filter, searched within a time budget. */
  short: boolean;
  /** When it was asked for (``tick``). */
  asked: number;
}

/** What was heard of a run in this list's stream. */
interface Heard extends Version {
  /** It does not pass the filter, or not any more. */
  left: boolean;
}

export interface Newest {
  rows: readonly RunRow[];
  /** When they were asked for, or heard. */
  at: number;
  /** They also speak for everything above their first row. A snapshot does not: a page may be newer than it. */
  fromTop: boolean;
  /** There are no others. */
  isWhole: boolean;
}

/** "gap": there may be runs between the newest and what is shown. "unsure": a run is shown of which they know nothing. */
export type Told = "known" | "unsure" | "gap";

export type Place = Pick<RunRow, "createdAt" | "id">;

/** Whether a run stands above another: the newest first. */
export function above(a: Place, b: Place): boolean {
  return a.createdAt > b.createdAt || (a.createdAt === b.createdAt && a.id > b.id);
}

/** New rows above what the reader looks at: how many, so that the list does not jump under the pointer. */
export function countAbove(rows: readonly RunRow[], top: Place | null): number {
  if (top === null) return 0;
  // By its place in time, not by its presence: the row at the top may leave the filter meanwhile.
  const index = rows.findIndex((row) => !above(row, top));
  return index < 0 ? 0 : index;
}

export class LiveList {
  private readonly heard = new Map<string, Heard>();

  constructor(private readonly store: RunStore) {}

  get size(): number {
    return this.heard.size;
  }

  /** Take what a message says about one run. */
  hear(row: RunRow, left: boolean, at: number): void {
    const old = this.heard.get(row.id);
    this.store.put(row, at);
    if (old && !isNewer({ row, at }, old)) return;
    this.heard.set(row.id, { row, left, at });
  }

  /**
   * Take the newest rows of the list as they were at one moment: a snapshot, or a first page. They speak for their own
   * span: a run that is shown within it and that they lack has left the filter.
   */
  hearNewest(newest: Newest, shown: readonly RunRow[]): Told {
    const { rows, at } = newest;
    for (const row of rows) this.hear(row, false, at);
    const [first, last] = [rows[0], rows.at(-1)];
    const ids = new Set(rows.map((row) => row.id));
    let touches = shown.length === 0 || newest.isWhole;
    let isSure = true;
    for (const row of shown) {
      if (ids.has(row.id)) touches = true;
      else if (!newest.fromTop && (!first || above(row, first))) isSure = false;
      else if (newest.isWhole || (last && above(row, last))) {
        const old = this.heard.get(row.id);
        // Its row is what was shown; that it left is what is new.
        if (!old || old.at <= at) this.heard.set(row.id, { row: this.store.newest(row, at), left: true, at });
      }
    }
    if (!touches && rows.length > 0) return "gap";
    return isSure ? "known" : "unsure";
  }

  /** The rows to show. */
  rows(pages: readonly RunPage[]): RunRow[] {
    const seen = new Set<string>();
    const shown: RunRow[] = [];
    for (const page of pages) {
      for (const row of page.rows) {
        if (seen.has(row.id)) continue;
        seen.add(row.id);
        const heard = this.heard.get(row.id);
        const isOver = heard !== undefined && isNewer(heard, { row, at: page.asked });
        if (isOver && heard.left) continue;
        shown.push(this.store.newest(row, page.asked));
      }
    }
    const added = pages.length > 0 ? this.added(pages, seen) : [];
    if (added.length === 0) return shown;
    return [...added, ...shown].sort((a, b) => (above(a, b) ? -1 : 1));
  }

  /** Runs that no page has: newer than a page that would have them, and within what is loaded. */
  private added(pages: readonly RunPage[], seen: ReadonlySet<string>): RunRow[] {
    const isComplete = pages.at(-1)?.next === null;
    const end = pages.findLast((page) => page.rows.length > 0)?.rows.at(-1);
    const rows: RunRow[] = [];
    for (const { row, left, at } of this.heard.values()) {
      if (left || seen.has(row.id)) continue;
      if (!isComplete && end && !above(row, end)) continue; // below what is loaded: its page will have it
      const page = pages.find((one) => one.rows.length > 0 && above(row, one.rows.at(-1) as RunRow)) ?? pages.at(-1);
      if (page && page.asked > at) continue; // asked for since, and it is not there: it left unheard
      rows.push(this.store.newest(row, at));
    }
    return rows;
  }

  /** Forget what the pages know by themselves. */
  prune(pages: readonly RunPage[]): void {
    const oldest = Math.min(...pages.map((page) => page.asked));
    for (const [id, heard] of this.heard) if (heard.at < oldest) this.heard.delete(id);
  }
}
