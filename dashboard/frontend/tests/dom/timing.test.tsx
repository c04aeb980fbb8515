import { fireEvent, screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import type { Timing } from "../../src/api/wire";
import { showApp } from "../support/app";
import { at, detail, step } from "../support/rows";
import { FakeServer } from "../support/server";

const USUAL = { count: 40, medianMs: 600, p95Ms: 1100 };

function timing(fields: Partial<Timing> = {}): Timing {
  return {
    totalMs: 2900,
    queueMs: 150,
    workMs: 2000,
    waitingMs: 500,
    betweenMs: 250,
    tookMs: 2750,
    longest: [],
    ...fields,
  };
}

const STEPS = [step(1, { name: "charge" }), step(2, { name: "ship", parallelGroup: 1 }), step(3, { parallelGroup: 1 })];

function served(run: Parameters<typeof detail>[0], answer: Timing): FakeServer {
  return new FakeServer().on("GET runs/r1", detail(run, STEPS)).on("GET runs/r1/timing", answer);
}

const completed = { id: "r1", status: "completed" as const, finishedAt: at(3900), durationMs: 2750 };

test("the bar's parts and the time that they add up to are said in figures", async () => {
  served(completed, timing());
  showApp("/runs/r1?view=timeline");
  const where = await screen.findByRole("region", { name: "Where time went" });
  for (const figure of ["2.90 s", "150 ms in queue", "2.00 s at work", "500 ms waiting", "250 ms between steps"]) {
    expect(where.textContent).toContain(figure);
  }
});

test("a completed run is set beside what is usual, and so is each long step, which opens", async () => {
  const longest = [
    {
      seq: 1,
      name: "charge",
      kind: "local" as const,
      durationMs: 2000,
      usual: { ...USUAL, medianMs: 100, p95Ms: 140 },
    },
    { seq: 2, name: "ship", kind: "local" as const, durationMs: 90 },
  ];
  served(completed, timing({ usual: USUAL, longest }));
  showApp("/runs/r1?view=timeline");
  expect(await screen.findByText(/Completed in 2\.75 s, usually 600 ms \(p95 1\.10 s\)/)).toBeTruthy();
  const where = screen.getByRole("region", { name: "Where time went" });
  expect(where.textContent).toContain("charge 2.00 susually 100 ms (p95 140 ms)");
  expect(where.querySelectorAll("[data-slow]")).toHaveLength(1);
  fireEvent.click(within(where).getByRole("button", { name: "charge" }));
  expect(window.location.search).toContain("step=1");
});

test("a failed run says in what time it usually succeeds", async () => {
  served({ ...completed, status: "failed" }, timing({ usual: USUAL }));
  showApp("/runs/r1");
  expect(await screen.findByText(/Failed after 2\.75 s.*; usually succeeds in 600 ms\./)).toBeTruthy();
});

test("an open run says when it should end, or that it is longer than all others", async () => {
  const soon = new Date(Date.now() + 3_600_000 * 2).toISOString();
  const server = served({ id: "r1" }, timing({ usual: USUAL, expectedAt: soon }));
  const first = showApp("/runs/r1");
  expect(await screen.findByText(/usually 600 ms \(p95 1\.10 s\), should end/)).toBeTruthy();
  first.unmount();
  server.on("GET runs/r1/timing", timing({ usual: USUAL, tookMs: 9000 }));
  showApp("/runs/r1");
  expect(await screen.findByText(/longer than all of the last 40/)).toBeTruthy();
});

test("steps on the critical path are marked and said to be", async () => {
  served(completed, timing({ criticalPath: [1, 3] }));
  showApp("/runs/r1?view=timeline");
  await screen.findByText("critical path");
  const marked = [...document.querySelectorAll("[data-critical]")].map((row) => row.getAttribute("data-step"));
  expect(marked).toEqual(["1", "3"]);
  expect(document.querySelector('[data-step="1"]')?.textContent).toContain("on the critical path");
});

test("a server that cannot say where time went leaves the rest of the page as it is", async () => {
  new FakeServer().on("GET runs/r1", detail(completed, STEPS));
  showApp("/runs/r1?view=timeline");
  expect(await screen.findByText(/Completed in 2\.75 s/)).toBeTruthy();
  expect(screen.queryByRole("region", { name: "Where time went" })).toBeNull();
});
