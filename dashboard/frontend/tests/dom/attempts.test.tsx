import { fireEvent, screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { showApp } from "../support/app";
import { at, detail, row, step } from "../support/rows";
import { FakeServer, problem } from "../support/server";

const ATTEMPTS = [
  {
    n: 1,
    cause: "start",
    enqueuedAt: at(1000),
    endedAt: at(9977),
    steps: [
      {
        seq: 2,
        name: "pack",
        kind: "local" as const,
        status: "interrupted" as const,
        housekeeping: false,
        startedAt: at(2000),
        endedAt: at(7500),
        durationMs: 5500,
      },
    ],
  },
  { n: 2, cause: "move", by: "ann", enqueuedAt: at(10_100), outcome: "completed" },
];

function moved(): FakeServer {
  const run = { id: "r1", status: "completed" as const, finishedAt: at(10_900), updatedAt: at(10_900) };
  const steps = [step(2, { name: "pack", startedAt: at(10_200), finishedAt: at(10_300) })];
  return new FakeServer().on("GET runs/r1", detail(run, steps, { attempts: ATTEMPTS }));
}

test("an earlier attempt that was cut short has a lane with its interrupted step, and is not said to be under way", async () => {
  moved();
  showApp("/runs/r1");
  const steps = await screen.findByRole("group", { name: "Steps" });
  expect(within(steps).getByText("Attempt 1").textContent).toContain("cut short");
  expect(within(steps).getByText("may have had its effect")).toBeTruthy();
  expect(within(steps).getByText("5.50 s")).toBeTruthy(); // the step's own length, not up to the attempt's end
  const facts = screen.getByRole("region", { name: "Attempts" });
  expect(facts.textContent).toContain("1 cut short");
  expect(facts.textContent).not.toContain("under way");
});

test("a long earlier attempt does not squeeze the last one, and zooming out shows it whole", async () => {
  const late = [
    { ...ATTEMPTS[0], endedAt: at(901_000) },
    { ...ATTEMPTS[1], enqueuedAt: at(901_000) },
  ];
  const run = { id: "r1", status: "completed" as const, finishedAt: at(901_100), updatedAt: at(901_100) };
  const steps = [step(2, { name: "pack", startedAt: at(901_010), finishedAt: at(901_060) })];
  new FakeServer().on("GET runs/r1", detail(run, steps, { attempts: late as typeof ATTEMPTS }));
  showApp("/runs/r1");
  expect(await screen.findByText(/2\.00 s shown of 1[45]m/)).toBeTruthy();
  fireEvent.click(screen.getByRole("button", { name: "Whole run" }));
  expect(screen.queryByText(/shown of/)).toBeNull();
});

test("a cancelled run whose undo failed is not said to be undone", async () => {
  const undo = row(2, { id: "undo:r1", status: "failed" });
  const run = { id: "r1", status: "cancelled" as const, undoId: "undo:r1", finishedAt: at(2000) };
  new FakeServer()
    .on("GET runs/r1", detail(run, [], { lineage: { forks: [], undo } }))
    .on("GET runs/r1/undo", { compensations: [] });
  showApp("/runs/r1");
  expect(await screen.findByText(/Cancelled, its undo is stuck/)).toBeTruthy();
  expect(screen.queryByText(/Cancelled and undone/)).toBeNull();
});

test("runs over time that cannot be read say so, and are read again when asked", async () => {
  const server = new FakeServer().on("GET runs", [row(1)]).on("GET activity", () => problem(409, "The store is busy."));
  showApp("/");
  expect(await screen.findByText(/Runs over time could not be read: The store is busy/)).toBeTruthy();
  const before = server.count("GET activity");
  server.on("GET activity", { since: at(0), until: at(1000), bucketMs: 1000, buckets: [] });
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText("no runs")).toBeTruthy();
  expect(server.count("GET activity")).toBe(before + 1);
});
