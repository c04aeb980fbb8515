import { fireEvent, screen } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
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
