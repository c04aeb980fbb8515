import { fireEvent, screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import type { Compare } from "../../src/api/wire";
import { showApp } from "../support/app";
import { at, detail, step } from "../support/rows";
import { FakeServer, problem } from "../support/server";

const SAME = { same: true, changes: [], cut: false };
const one = (seq: number, name: string, status: "completed" | "failed" = "completed") => ({
  seq,
  name,
  kind: "local" as const,
  status,
  durationMs: 100 * seq,
});

function compared(fields: Partial<Compare> = {}): Compare {
  return {
    run: { id: "bad", workflow: "order", status: "failed", workflowVersion: "v2", createdAt: at(2000), tookMs: 900 },
    other: {
      id: "good",
      workflow: "order",
      status: "completed",
      workflowVersion: "v1",
      createdAt: at(1000),
      tookMs: 300,
    },
    rows: [
      { run: one(1, "reserve"), other: one(1, "reserve"), differs: false },
      { run: one(2, "discount"), differs: true },
      { run: one(3, "charge", "failed"), other: one(2, "charge"), differs: true },
      { other: one(3, "ship"), differs: true },
    ],
    firstDifference: 1,
    stepsCut: false,
    input: { same: false, changes: [{ path: "args[0].total", kind: "changed", run: 12, other: 7 }], cut: false },
    output: SAME,
    ...fields,
  };
}

test("a run is set beside the last success, the first difference marked and said", async () => {
  const server = new FakeServer().on("GET runs/bad/compare", compared());
  showApp("/runs/bad/compare");
  expect(await screen.findByText("First difference: discount is only in this run.")).toBeTruthy();
  expect(server.last("GET runs/bad/compare")?.query.toString()).toBe("");
  const steps = screen.getByRole("region", { name: "Steps" });
  expect(steps.querySelector("[data-first]")?.textContent).toContain("discount");
  expect(steps.querySelectorAll("[data-differs]")).toHaveLength(3);
  expect(within(steps).getByText("not in this run")).toBeTruthy();
  expect(screen.getByRole("region", { name: "This run" }).textContent).toContain("3.0×");
  expect(screen.getByRole("region", { name: "Input" }).textContent).toContain("args[0].total712");
  expect(screen.getByRole("region", { name: "Output" }).textContent).toContain("the same");
});

test("a row opens to how the step's outputs differ; one that stands alone does not open", async () => {
  const answer = compared();
  const server = new FakeServer().on("GET runs/bad/compare", () =>
    Response.json({
      ...answer,
      stepOutput: { same: false, changes: [{ path: "id", kind: "added", run: 1 }], cut: false },
    }),
  );
  showApp("/runs/bad/compare");
  fireEvent.click(await screen.findByRole("button", { name: /reserve/ }));
  const output = await screen.findByRole("region", { name: "Output of the step" });
  expect(output.textContent).toContain("id1");
  expect(server.last("GET runs/bad/compare")?.query.toString()).toBe("with=good&step=1");
  expect(screen.getByRole("button", { name: /discount/ })).toHaveProperty("disabled", true);
});

test("another run or an earlier attempt is compared by the address", async () => {
  const server = new FakeServer().on("GET runs/bad/compare", compared());
  showApp("/runs/bad/compare?with=third");
  await screen.findByText(/First difference/);
  expect(server.last("GET runs/bad/compare")?.query.toString()).toBe("with=third");
  fireEvent.change(screen.getByRole("textbox"), { target: { value: "fourth" } });
  fireEvent.click(screen.getByRole("button", { name: "Compare" }));
  expect(window.location.search).toBe("?with=fourth");
});

test("where nothing can be compared with, the server's words say what to do", async () => {
  new FakeServer().on("GET runs/bad/compare", () => problem(404, "No other run of 'order' has completed."));
  showApp("/runs/bad/compare");
  expect(await screen.findByText("No other run of 'order' has completed.")).toBeTruthy();
});

test("a failed run leads to the comparison in one click", async () => {
  const run = { id: "bad", status: "failed" as const, finishedAt: at(9), error: { message: "no", type: "E" } };
  new FakeServer().on("GET runs/bad", detail(run, [step(1)])).on("GET runs/bad/compare", compared());
  showApp("/runs/bad");
  fireEvent.click(await screen.findByRole("link", { name: "Compare with the last success" }));
  expect(window.location.pathname).toBe("/runs/bad/compare");
  expect(await screen.findByText(/First difference/)).toBeTruthy();
});
