import { fireEvent, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import type { Fold } from "../../src/api/wire";
import { showApp } from "../support/app";
import { at, detail, step } from "../support/rows";
import { type Asked, FakeServer, json } from "../support/server";

const NAMES = ["extract", "transform", "load"];
const TOTAL = 9999;
const named = (seq: number) => step(seq, { name: NAMES[(seq - 1) % 3] ?? "", finishedAt: at(1000 * seq + 40) });

const FOLD: Fold = {
  first: 1,
  last: TOTAL,
  count: TOTAL,
  names: NAMES,
  turns: 3333,
  minMs: 50,
  medianMs: 60,
  maxMs: 5100,
  slowest: 301,
  byStatus: { completed: TOTAL - 1, failed: 1 },
  startedAt: at(1000),
  finishedAt: at(1000 * TOTAL),
  kept: [301, 302, 303],
};

/** A run of a long loop; parts of 200 steps, and what a search finds. */
function looped(): FakeServer {
  const run = { id: "r1", status: "completed" as const, finishedAt: at(1000 * TOTAL + 500) };
  const kept = FOLD.kept.map(named);
  const end = step(TOTAL + 1, { name: "report" });
  return new FakeServer().on("GET runs/r1", ({ query }: Asked) => {
    if (query.has("q")) return json(detail(run, [named(302)], { stepsTotal: TOTAL + 1 }));
    const from = query.get("from");
    if (from === null) return json(detail(run, [...kept, end], { folds: [FOLD], stepsTotal: TOTAL + 1 }));
    const part = Array.from({ length: 200 }, (_, index) => named(Number(from) + index));
    return json(detail(run, part, { nextStep: Number(from) + 200, stepsTotal: TOTAL + 1 }));
  });
}

const shown = (): string[] =>
  [...document.querySelectorAll("[data-step]")].map((row) => row.getAttribute("data-step") ?? "");

test("a loop is one line with its turns and times, its slowest turn open below", async () => {
  const server = looped();
  showApp("/runs/r1?view=timeline");
  const line = await screen.findByRole("button", { name: /extract → transform → load\s*×3,333/ });
  expect(line.textContent).toContain("each 60 ms (50 ms to 5.10 s)");
  expect(line.getAttribute("data-status")).toBe("failed");
  expect(shown()).toEqual(["301", "302", "303", String(TOTAL + 1)]);
  expect(screen.getByRole("tab", { name: /Timeline/ }).textContent).toContain("10,000");
  const asked = server.asked.find(({ path }) => path === "runs/r1");
  expect(asked?.query.toString()).toBe("fold=true&children=200");
});

test("an opened loop is read in parts, closes again, and draws only what is near the eye", async () => {
  const server = looped();
  showApp("/runs/r1?view=timeline");
  const line = await screen.findByRole("button", { name: /extract → / });
  fireEvent.click(line);
  await waitFor(() => expect(shown()[0]).toBe("1"));
  expect(document.querySelectorAll(".tl-row").length).toBeLessThan(80);
  expect(server.asked.filter(({ query }) => query.has("from"))).toHaveLength(1);
  fireEvent.click(screen.getByRole("button", { name: /extract → transform/ }));
  await waitFor(() => expect(shown()[0]).toBe("301"));
});

test("steps are searched for in the whole run", async () => {
  looped();
  showApp("/runs/r1?view=timeline");
  await userEvent.type(await screen.findByRole("searchbox", { name: /Find steps/ }), "trans");
  expect(await screen.findByText("1 step found")).toBeTruthy();
  await waitFor(() => expect(shown()).toEqual(["302"]));
  expect(screen.queryByRole("button", { name: /extract → / })).toBeNull();
  await userEvent.keyboard("{Escape}");
  await waitFor(() => expect(shown()).toHaveLength(4));
});

test("children that failed come first, and all are counted", async () => {
  const child = detail({ id: "c9", workflow: "pack", status: "failed" }).run;
  const run = { id: "r1", status: "completed" as const, finishedAt: at(5000) };
  new FakeServer().on("GET runs/r1", detail(run, [], { children: ["c9"], childRuns: [child], childrenTotal: 10_000 }));
  showApp("/runs/r1");
  expect(await screen.findByText("10.0k child runs")).toBeTruthy();
  expect(screen.getByText("pack")).toBeTruthy();
});
