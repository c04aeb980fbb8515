import { expect, test } from "vitest";
import { row as makeRow } from "../support/rows";
import type { LifecycleEvent, RunRow, RunStatus } from "../../src/api/wire";
import { mergeEvents, mergeHead, type RunPage } from "../../src/live/merge";

function row(n: number, status: RunStatus = "running"): RunRow {
  return makeRow(n, { status });
}

function page(numbers: number[], next: string | null): RunPage {
  return { rows: numbers.map((n) => row(n)), next, scannedTo: null, short: false };
}

const ids = (pages: RunPage[]): string[] => pages.flatMap((p) => p.rows.map((r) => r.id));

function event(run: RunRow): LifecycleEvent {
  return {
    id: 1,
    type: `run.${run.status === "running" ? "started" : run.status}` as LifecycleEvent["type"],
    runId: run.id,
    workflow: "w",
    at: run.updatedAt,
    run,
  };
}

test("new runs come on top and older pages stay", () => {
  const pages = mergeHead([page([4, 3], "a"), page([2, 1], null)], page([6, 5, 4], "b"));
  expect(ids(pages)).toEqual(["r6", "r5", "r4", "r3", "r2", "r1"]);
  expect(pages.at(-1)?.next).toBeNull();
});

test("a run that left the filter goes, where the new page speaks", () => {
  expect(ids(mergeHead([page([4, 3, 2], "a"), page([1], null)], page([4, 2], "b")))).toEqual(["r4", "r2", "r1"]);
});

test("a gap between new and old drops the old pages", () => {
  expect(ids(mergeHead([page([2, 1], null)], page([9, 8], "c")))).toEqual(["r9", "r8"]);
});

test("a head that is the whole list replaces it", () => {
  expect(ids(mergeHead([page([4, 3], "a")], page([4], null)))).toEqual(["r4"]);
});

test("an event changes its row, adds a new one and takes out one that left the filter", () => {
  const loaded = [page([3, 2], null)];
  expect(mergeEvents(loaded, [event(row(3, "failed"))], [])[0]?.rows[0]?.status).toBe("failed");
  expect(ids(mergeEvents(loaded, [event(row(5))], []))).toEqual(["r5", "r3", "r2"]);
  expect(ids(mergeEvents(loaded, [event(row(3, "completed"))], ["running"]))).toEqual(["r2"]);
});

test("an old run is not put below what is loaded while more pages wait", () => {
  expect(ids(mergeEvents([page([5, 4], "more")], [event(row(1))], []))).toEqual(["r5", "r4"]);
});
