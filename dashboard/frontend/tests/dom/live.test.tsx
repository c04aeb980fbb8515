import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import type { RunRow } from "../../src/api/wire";
import "../../src/pages/run/RunPage"; // its chunk is here before the clock stands still
import { comes, pass, showApp, stopClock } from "../support/app";
import { detail, facet, row } from "../support/rows";
import { FakeServer, json, Later } from "../support/server";
import { FakeSocket } from "../support/sockets";

const at = (ms: number): string => new Date(ms).toISOString();
const done = (n: number, fields: Partial<RunRow> = {}): RunRow =>
  row(n, { status: "completed", updatedAt: at(n * 1000 + 500), ...fields });
const event = (run: RunRow, fields: object = {}): object => ({
  id: 10,
  type: `run.${run.status === "running" ? "started" : run.status}`,
  runId: run.id,
  workflow: run.workflow,
  at: run.updatedAt,
  run,
  ...fields,
});
const listed = (): string[] =>
  [...document.querySelectorAll<HTMLElement>("[data-run]")].map((e) => `${e.dataset.run} ${e.dataset.status}`);

test("an event during the first load is not undone by the older answer", async () => {
  stopClock();
  const first = new Later();
  new FakeServer().on("GET runs", () => first.response);
  showApp("/");
  await pass();
  FakeSocket.last.say({ type: "snapshot", id: 1, runs: [] });
  FakeSocket.last.say(event(done(3)));
  await pass(500);
  await comes(first, json([row(3), row(2)]));
  await pass(500);
  expect(listed()).toEqual(["r3 completed", "r2 running"]);
});

test("events are believed: nothing is read again for them but the counts, and those now and then", async () => {
  stopClock();
  const server = new FakeServer().on("GET runs", [row(2), row(1)]).on("GET runs/facets", [facet("running", 2)]);
  showApp("/");
  await pass();
  FakeSocket.last.say({ type: "snapshot", id: 1, runs: [row(2), row(1)] });
  await pass(1000);
  const facets = server.count("GET runs/facets");
  for (let n = 3; n < 23; n += 1) {
    FakeSocket.last.say(event(row(n), { id: 10 + n }));
    await pass(500);
  }
  expect(server.count("GET runs")).toBe(1);
  expect(server.count("GET runs/facets") - facets).toBeLessThanOrEqual(2);
  expect(listed()[0]).toBe("r22 running");
});

test("a run that leaves the filter goes, also beyond what a snapshot holds", async () => {
  stopClock();
  new FakeServer().on("GET runs", [row(2), row(1)]);
  showApp("/?status=running");
  await pass();
  FakeSocket.last.say({ type: "snapshot", id: 1, runs: [row(2)] });
  FakeSocket.last.say(event(done(1), { left: true }));
  await pass(500);
  expect(listed()).toEqual(["r2 running"]);
});

test("a run's stream, whose snapshot is as much work, begins when the run has been answered", async () => {
  stopClock();
  const first = new Later();
  new FakeServer().on("GET runs/r1", () => first.response);
  const before = FakeSocket.all.length;
  showApp("/runs/r1");
  await pass();
  expect(FakeSocket.all.length).toBe(before);
  await comes(first, json(detail({ ...row(1) })));
  await pass();
  FakeSocket.last.say({ type: "snapshot", id: 1, detail: detail({ ...done(1) }) });
  await pass(200);
  expect(document.querySelector(".badge")?.textContent).toBe("Completed");
});

test("an answer about a run that was asked for before a snapshot does not undo it", async () => {
  stopClock();
  const second = new Later();
  const server = new FakeServer()
    .on("GET runs/r1", detail({ ...row(1) }))
    .on("GET runs/r1/graph", { nodes: [], edges: [], width: 0, height: 0 });
  showApp("/runs/r1");
  await pass();
  server.on("GET runs/r1", () => second.response);
  FakeSocket.last.say(event(row(1), { id: 2 }));
  await pass(300);
  expect(server.count("GET runs/r1")).toBe(2);
  server.on("GET runs/r1", detail({ ...done(1) }));
  FakeSocket.last.say({ type: "snapshot", id: 3, detail: detail({ ...done(1) }) });
  await pass(200);
  await comes(second, json(detail({ ...row(1) })));
  await pass(500);
  expect(document.querySelector(".badge")?.textContent).toBe("Completed");
});

test("an event that came before a run's answer is shown, and the run is read again for the rest", async () => {
  stopClock();
  const second = new Later();
  const server = new FakeServer()
    .on("GET runs/r1", detail({ ...row(1) }))
    .on("GET runs/r1/graph", { nodes: [], edges: [], width: 0, height: 0 });
  showApp("/runs/r1");
  await pass();
  server.on("GET runs/r1", () => second.response);
  FakeSocket.last.say(event(row(1), { id: 2 }));
  await pass(300);
  FakeSocket.last.say(event(done(1), { id: 3 }));
  await pass(300);
  server.on("GET runs/r1", detail({ ...done(1) }));
  await comes(second, json(detail({ ...row(1) })));
  await pass(0);
  expect(document.querySelector(".badge")?.textContent).toBe("Completed");
  await pass(2000);
  expect(server.count("GET runs/r1")).toBe(3);
});

test("a retried run loses its end at once", async () => {
  stopClock();
  const failed = row(1, { status: "failed", finishedAt: at(1400), durationMs: 400, updatedAt: at(1400) });
  const server = new FakeServer()
    .on("GET runs/r1", detail({ ...failed, error: { message: "No money." } }))
    .on("GET runs/r1/graph", { nodes: [], edges: [], width: 0, height: 0 });
  showApp("/runs/r1");
  await pass();
  expect(screen.getAllByText(/No money/).length).toBeGreaterThan(0);
  server.on("GET runs/r1", () => new Later().response);
  FakeSocket.last.say(event(row(1, { status: "pending", updatedAt: at(2000) }), { id: 3 }));
  await pass(500);
  expect(document.querySelector(".badge")?.textContent).toBe("Pending");
  expect(screen.queryByText(/No money/)).toBeNull();
});
