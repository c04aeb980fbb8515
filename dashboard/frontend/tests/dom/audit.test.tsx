import { fireEvent, screen } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
import { foldEntries, paramTexts } from "../../src/features/audit/entries";
import { mergeEntries } from "../../src/features/audit/useAuditLog";
import { pass, showApp, stopClock } from "../support/app";
import { FakeServer, json } from "../support/server";
// Lazy pages are loaded before the clock stops.
import "../../src/pages/audit/AuditPage";
import "../../src/pages/workers/WorkersPage";

const entry = (id: number) => ({
  id,
  at: new Date(id).toISOString(),
  actor: "ada",
  action: `act ${id}`,
  outcome: "ok",
  detail: "",
  params: {},
});

let server: FakeServer;
let newest: number;
beforeEach(() => {
  stopClock();
  newest = 300;
  server = new FakeServer().on("GET audit", (asked) => {
    const before = Number(asked.query.get("before") ?? newest + 1);
    return json(Array.from({ length: Math.min(100, before - 1) }, (_, index) => entry(before - 1 - index)));
  });
});

test("looking at the log again costs one request, however much of it is loaded", async () => {
  showApp("/audit");
  await pass(50);
  expect(server.count("GET audit")).toBe(1);
  fireEvent.click(screen.getByRole("button", { name: "Older entries" }));
  await pass(50);
  fireEvent.click(screen.getByRole("button", { name: "Older entries" }));
  await pass(50);
  expect(server.count("GET audit")).toBe(3);
  newest = 301;
  await pass(5000);
  expect(server.count("GET audit")).toBe(4);
  expect(screen.getByText("act 301")).toBeTruthy();
  expect(screen.getByText("act 1")).toBeTruthy();
});

test("a filter is asked for, stands in the address, and can be taken off", async () => {
  showApp("/audit?outcome=refused");
  await pass(50);
  expect(server.asked.some(({ query }) => query.get("outcome") === "refused")).toBe(true);
  fireEvent.change(screen.getByRole("combobox", { name: "Who" }), { target: { value: "ada" } });
  await pass(50);
  expect(window.location.search).toBe("?actor=ada&outcome=refused");
  expect(server.asked.some(({ query }) => query.get("actor") === "ada" && query.get("outcome") === "refused")).toBe(
    true,
  );
  fireEvent.click(screen.getByRole("button", { name: "Clear" }));
  await pass(50);
  expect(window.location.search).toBe("");
});

test("what one person did to many runs is one line, opened in place, and its parameters are words", () => {
  const many = [9, 8, 7, 6, 5].map((id) => ({ ...entry(id), action: "retry", runId: `r${id}` }));
  const other = { ...entry(4), action: "retry", actor: "bob", runId: "r4" };
  expect(foldEntries([...many, other])).toEqual([many, other]);
  expect(foldEntries(many.slice(1))).toEqual(many.slice(1));
  expect(foldEntries(many.map((one) => ({ ...one, runId: undefined })))).toHaveLength(5);
  expect(paramTexts({ endedAs: "failed", endedAtMs: 0, count: 3 })).toEqual([
    "endedAs failed",
    "endedAt 1970-01-01 00:00:00.000 UTC",
    "count 3",
  ]);
});

test("newer entries go on top, and a gap is noticed", () => {
  expect(mergeEntries([entry(5), entry(4)], [entry(4), entry(3)])?.map((e) => e.id)).toEqual([5, 4, 3]);
  expect(
    mergeEntries(
      Array.from({ length: 100 }, (_, i) => entry(200 - i)),
      [entry(3)],
    ),
  ).toBeNull();
});

test("two parts that show the same workers ask for them once", async () => {
  server.on("GET health", { status: "ok", problems: [], lostWorkers: 1 });
  showApp("/workers");
  await pass(50);
  const first = server.count("GET executors");
  await pass(20_000);
  expect(server.count("GET executors") - first).toBe(4);
});
