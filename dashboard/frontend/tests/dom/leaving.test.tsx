import { act, fireEvent, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pass, showApp, stopClock } from "../support/app";
import { detail, row } from "../support/rows";
import { FakeServer } from "../support/server";

const chunk = vi.hoisted(() => {
  let come = (): void => undefined;
  const arrived = new Promise<void>((resolve) => {
    come = resolve;
  });
  return { arrived, come: () => come() };
});

// The run page's code comes when the test says so, as over a slow network.
vi.mock("../../src/pages/run/RunPage", async (original) => {
  await chunk.arrived;
  return original();
});

beforeEach(() => {
  new FakeServer()
    .on("GET runs", [row(1, { status: "failed" })])
    .on("GET runs/r1", detail({ id: "r1", status: "failed" }))
    .on("GET runs/r1/graph", { nodes: [], edges: [], width: 0, height: 0 });
  stopClock();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a page that was left does nothing more while the next one's code is loading", async () => {
  showApp("/");
  await pass();
  fireEvent.change(screen.getByLabelText("Search runs by id or workflow"), { target: { value: "ord" } });
  fireEvent.click(screen.getByRole("link", { name: "order" }));
  expect(window.location.pathname).toBe("/runs/r1");
  // The search waits for the next letter for a moment; that moment ends on the other page.
  await pass(1000);
  expect(window.location.pathname).toBe("/runs/r1");
  act(() => chunk.come());
  vi.useRealTimers();
  expect(await screen.findByRole("heading", { name: "order" })).toBeTruthy();
});
