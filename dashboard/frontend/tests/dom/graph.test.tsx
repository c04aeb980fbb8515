import { fireEvent, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import type { Graph, GraphNode } from "../../src/api/wire";
import { compactView } from "../../src/pages/run/graphView";
import { showApp } from "../support/app";
import { at, detail, step } from "../support/rows";
import { FakeServer } from "../support/server";

const LANE_PX = 90;
const node = (id: string, x: number, y: number, fields: Partial<GraphNode> = {}): GraphNode => ({
  id,
  type: "step",
  label: id,
  x,
  y,
  width: 220,
  height: 68,
  status: "completed",
  kind: "local",
  housekeeping: false,
  ...fields,
});

/** A run of one step, and below it an earlier attempt that was interrupted in it. */
const GRAPH: Graph = {
  nodes: [
    node("step:2", 0, 0, { seq: 2, label: "pack" }),
    node("attempt:1/step:2", 0, LANE_PX, {
      seq: 2,
      label: "pack",
      attempt: 1,
      status: "interrupted",
      durationMs: 5500,
    }),
  ],
  edges: [{ id: "e", source: "attempt:1/step:2", target: "step:2", kind: "again" }],
  width: 220,
  height: 158,
};

const ATTEMPTS = [
  {
    n: 1,
    cause: "start",
    enqueuedAt: at(1000),
    endedAt: at(9000),
    steps: [
      {
        seq: 2,
        name: "pack",
        kind: "local" as const,
        status: "interrupted" as const,
        housekeeping: false,
        startedAt: at(2000),
        durationMs: 5500,
      },
    ],
  },
  { n: 2, cause: "move", enqueuedAt: at(10_000), outcome: "completed" },
];

function served(): void {
  const run = { id: "r1", status: "completed" as const, finishedAt: at(10_900) };
  new FakeServer()
    .on("GET runs/r1", detail(run, [step(2, { name: "pack" })], { attempts: ATTEMPTS }))
    .on("GET runs/r1/graph", GRAPH);
}

const drawn = (): (string | null)[] =>
  [...document.querySelectorAll(".react-flow__node")].map((one) => one.getAttribute("data-id"));

test("an earlier attempt has a lane, which can be left out and drawn again", async () => {
  served();
  showApp("/runs/r1?view=graph");
  const hide = await screen.findByRole("button", { name: "Hide earlier attempts" });
  expect(drawn()).toEqual(["step:2", "attempt:1/step:2"]);
  fireEvent.click(hide);
  expect(drawn()).toEqual(["step:2"]);
  fireEvent.click(screen.getByRole("button", { name: "Show earlier attempts" }));
  expect(drawn()).toEqual(["step:2", "attempt:1/step:2"]);
});

test("a step of an earlier attempt says what is kept of it, and is not taken for the run's own", async () => {
  served();
  showApp("/runs/r1?view=graph");
  await screen.findByRole("button", { name: "Hide earlier attempts" });
  const old = document.querySelector('[data-id="attempt:1/step:2"]');
  fireEvent.keyDown(old as Element, { key: "Enter" });
  const kept = await screen.findByRole("region", { name: "Step of attempt 1" });
  expect(kept.textContent).toContain("after 5.50 s");
  expect(kept.textContent).toContain("It may have had its effect");
  expect(window.location.search).not.toContain("step=");
  fireEvent.click(screen.getByRole("button", { name: "Close the step of the earlier attempt" }));
  expect(screen.queryByRole("region", { name: "Step of attempt 1" })).toBeNull();
});

test.each([
  [5, 600],
  [5, 3000],
  [1, 900],
])("%i lanes of a graph %i px wide are whole beside the timeline", (lanes, width) => {
  const height = lanes * LANE_PX;
  const view = compactView({ width, height }, 1100);
  expect(view.height).toBeGreaterThanOrEqual(Math.floor(height * view.zoom) + 48);
});
