import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { costWords } from "../../src/pages/run/ModelUsage";
import { showApp } from "../support/app";
import { at, detail, step } from "../support/rows";
import { FakeServer } from "../support/server";

const RUN = { id: "r1", status: "completed" as const, finishedAt: at(900), updatedAt: at(900) };

function ended(): FakeServer {
  return new FakeServer().on("GET runs/r1", detail(RUN, [step(1, { name: "ask" })]));
}

test("a run whose steps called models says what they used and cost", async () => {
  ended().on("GET runs/r1/usage", {
    runId: "r1",
    calls: 3,
    inputTokens: 12_000,
    outputTokens: 450,
    cost: 0.0375,
    currency: "USD",
    models: [
      { model: "gpt-4o", calls: 2, inputTokens: 12_000, outputTokens: 400, cost: 0.0375 },
      { model: "", calls: 1, inputTokens: 0, outputTokens: 50 },
    ],
    unpriced: [""],
  });
  showApp("/runs/r1");
  const panel = await screen.findByRole("region", { name: "Models" });
  expect(panel.textContent).toContain("3 model calls");
  expect(panel.textContent).toContain("12,000 tokens in, 450 out");
  expect(panel.textContent).toContain("0.04 USD");
  expect(panel.textContent).toContain("model not named × 1");
});

test("a run without model calls has no such panel", async () => {
  ended().on("GET runs/r1/usage", {
    runId: "r1",
    calls: 0,
    inputTokens: 0,
    outputTokens: 0,
    models: [],
    unpriced: [],
  });
  showApp("/runs/r1");
  await screen.findByRole("group", { name: "Steps" });
  expect(screen.queryByRole("region", { name: "Models" })).toBeNull();
});

test.each([
  [1.8, "1.8 USD"],
  [0.000_123, "0.00012 USD"],
  [0, "0 USD"],
])("a cost of %f reads %s", (cost, words) => {
  expect(costWords(cost, "USD")).toBe(words);
});
