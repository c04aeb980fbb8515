import { expect, test } from "vitest";
import { row as makeRow } from "../support/rows";
import type { RunRow, RunStatus } from "../../src/api/wire";
import { LiveList, type Newest, type RunPage } from "../../src/live/list";
import { RunStore, withRow } from "../../src/live/store";

/** Version ``v`` of run ``n``. */
function row(n: number, status: RunStatus = "running", v = 0): RunRow {
  return makeRow(n, { status, updatedAt: new Date(n * 1000 + v).toISOString() });
}

function page(asked: number, rows: RunRow[], next: string | null = null): RunPage {
  return { rows, next, scannedTo: null, short: false, asked };
}

function newest(at: number, rows: RunRow[], fields: Partial<Newest> = {}): Newest {
  return { rows, at, fromTop: false, isWhole: false, ...fields };
}

const shown = (rows: RunRow[]): string[] => rows.map(({ id, status }) => `${id} ${status}`);

test("an event that came before an older answer is not undone by it", () => {
  const list = new LiveList(new RunStore());
  list.hear(row(3, "completed", 5), false, 2);
  expect(shown(list.rows([page(1, [row(3), row(2)])]))).toEqual(["r3 completed", "r2 running"]);
});

test("an answer that was read later than the event wins, by its stamp and else by when it was asked for", () => {
  const list = new LiveList(new RunStore());
  list.hear(row(3, "failed", 5), false, 2);
  expect(shown(list.rows([page(1, [row(3, "pending", 9)])]))).toEqual(["r3 pending"]);
  list.hear(row(2, "running", 0), false, 4);
  expect(shown(list.rows([page(5, [row(2, "blocked", 0)])]))).toEqual(["r2 blocked"]);
  expect(shown(list.rows([page(3, [row(2, "blocked", 0)])]))).toEqual(["r2 running"]);
});

test("a run that left the filter goes, on whatever page it is, and comes back when a later page has it", () => {
  const list = new LiveList(new RunStore());
  const pages = [page(1, [row(4), row(3)], "a"), page(2, [row(2), row(1)])];
  list.hear(row(1, "completed", 5), true, 3);
  expect(shown(list.rows(pages))).toEqual(["r4 running", "r3 running", "r2 running"]);
  expect(shown(list.rows([page(4, [row(1, "running", 8)])]))).toEqual(["r1 running"]);
});

test("a new run is put where it belongs, and not below what is loaded", () => {
  const list = new LiveList(new RunStore());
  for (const n of [6, 4, 1]) list.hear(row(n), false, 10);
  expect(shown(list.rows([page(1, [row(5), row(3)], "more")]))).toEqual([
    "r6 running",
    "r5 running",
    "r4 running",
    "r3 running",
  ]);
  expect(list.rows([page(1, [row(5), row(3)], null)]).at(-1)?.id).toBe("r1");
});

test("a run that a later page of its span lacks left unheard", () => {
  const list = new LiveList(new RunStore());
  list.hear(row(6), false, 2);
  expect(shown(list.rows([page(3, [row(5)])]))).toEqual(["r5 running"]);
});

test("a snapshot takes out what left within its span, and says when it cannot know", () => {
  const store = new RunStore();
  const list = new LiveList(store);
  const pages = [page(1, [row(6), row(5), row(4), row(3), row(2)])];
  expect(list.hearNewest(newest(2, [row(6), row(4)]), list.rows(pages))).toBe("known");
  expect(shown(list.rows(pages))).toEqual(["r6 running", "r4 running", "r3 running", "r2 running"]);
  expect(list.hearNewest(newest(3, [row(4)]), list.rows(pages))).toBe("unsure"); // r6: newer than it, or gone
  expect(list.hearNewest(newest(4, [row(4)], { fromTop: true }), list.rows(pages))).toBe("known");
  expect(shown(list.rows(pages))).toEqual(["r4 running", "r3 running", "r2 running"]);
  expect(list.hearNewest(newest(5, [row(9), row(8)]), list.rows(pages))).toBe("gap");
  expect(list.hearNewest(newest(6, [], { fromTop: true, isWhole: true }), list.rows(pages))).toBe("known");
  expect(list.rows(pages)).toEqual([]);
});

test("what was heard is forgotten once every page is newer", () => {
  const list = new LiveList(new RunStore());
  list.hear(row(1), false, 2);
  list.prune([page(1, []), page(3, [])]);
  expect(list.size).toBe(1);
  list.prune([page(4, []), page(3, [])]);
  expect(list.size).toBe(0);
});

test("an older version of a run never replaces a newer one, whoever brings it", () => {
  const store = new RunStore();
  expect(store.put(row(1, "completed", 5), 2)).toBe(true);
  expect(store.put(row(1, "running", 0), 9)).toBe(false);
  expect(store.get("r1")?.row.status).toBe("completed");
});

test("a run's fields that the newer row lacks are gone with it", () => {
  const failed = makeRow(1, { status: "failed", finishedAt: "2026-01-01T00:00:01Z", durationMs: 7 });
  const run = { ...failed, input: [1], error: { message: "no" }, traceUrl: "u" };
  expect(withRow(run, failed)).toEqual(run);
  const again = row(1, "pending", 5);
  expect(withRow(run, again)).toEqual({ ...again, input: [1], traceUrl: "u" });
});
