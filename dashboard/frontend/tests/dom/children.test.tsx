import { fireEvent, screen, waitFor } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import type { Step } from "../../src/api/wire";
import { showApp } from "../support/app";
import { at, detail, step } from "../support/rows";
import { FakeServer, json, problem } from "../support/server";

const remote = (seq: number, child: string, fields: Partial<Step> = {}): Step =>
  step(seq, { kind: "remote", childRunId: child, name: `run_${child}`, ...fields });

const ended = { status: "failed" as const, finishedAt: at(9000) };

/** r1 started ok and bad; bad started worse, which failed. */
function family(): FakeServer {
  const failed = { status: "failed" as const };
  return new FakeServer()
    .on("GET runs/r1", detail({ id: "r1", ...ended }, [step(1), remote(2, "ok"), remote(3, "bad", failed)]))
    .on("GET runs/ok", detail({ id: "ok", ...ended }, [step(1, { name: "fine" })]))
    .on("GET runs/bad", detail({ id: "bad", ...ended }, [step(1, { name: "first" }), remote(2, "worse", failed)]))
    .on("GET runs/worse", detail({ id: "worse", ...ended }, [step(1, { name: "charge", ...failed })]))
    .on("GET runs/worse/steps/1", step(1, { name: "charge", runId: "worse", ...failed, output: "of the child" }));
}

const rows = (): string[] =>
  [...document.querySelectorAll(".tl-row")].map(
    (row) => row.querySelector(".tl-label")?.textContent ?? row.textContent,
  );

test("a child opens below its step by click or key, is read once, and the address keeps it", async () => {
  const server = family();
  showApp("/runs/r1?view=timeline");
  const toggle = await screen.findByRole("button", { name: "Child of run_ok, step 2" });
  expect(server.asked.some(({ path }) => path === "runs/ok")).toBe(false);
  fireEvent.click(toggle);
  await waitFor(() => expect(rows()).toEqual(["step_1", "run_ok", "fine", "run_bad"]));
  expect(window.location.search).toContain("open=ok");
  expect(toggle.getAttribute("aria-expanded")).toBe("true");
  fireEvent.keyDown(document.querySelector("[data-step='3']") as Element, { key: "ArrowRight" });
  await waitFor(() => expect(rows()).toEqual(["step_1", "run_ok", "fine", "run_bad", "first", "run_worse"]));
  fireEvent.keyDown(document.querySelector("[data-step='2']") as Element, { key: "ArrowLeft" });
  await waitFor(() => expect(window.location.search).toContain("open=bad"));
  expect(rows()).toEqual(["step_1", "run_ok", "run_bad", "first", "run_worse"]);
  expect(server.asked.filter(({ path }) => path === "runs/ok")).toHaveLength(1);
});

test("one click opens the children down to the one that failed, and its step shows beside them", async () => {
  family();
  showApp("/runs/r1?view=timeline");
  fireEvent.click(await screen.findByRole("button", { name: "Where it failed" }));
  await waitFor(() => expect(rows()).toContain("charge"));
  fireEvent.click(screen.getByRole("button", { name: /^charge/ }));
  expect(await screen.findByText(/of the child/)).toBeTruthy();
  expect(window.location.search).toContain("of=worse");
  expect(screen.queryByRole("button", { name: "Fork from here" })).toBeNull();
});

test("an address opens its children at once, and one that cannot be read says so in its place", async () => {
  family().on("GET runs/bad", () => problem(404, "There is no run 'bad'."));
  showApp("/runs/r1?view=timeline&open=ok,bad");
  expect(await screen.findByText("fine")).toBeTruthy();
  expect((await screen.findByText(/It could not be read/)).textContent).toContain("There is no run 'bad'.");
});

test("an opened child that is under way is read again until it has ended", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  let asked = 0;
  const open = step(1, { name: "work", status: "running" });
  delete open.finishedAt;
  const server = family().on("GET runs/ok", () => {
    asked += 1;
    if (asked < 3) return json(detail({ id: "ok", status: "running" }, [open]));
    return json(detail({ id: "ok", status: "completed", finishedAt: at(9000) }, [step(1, { name: "work" })]));
  });
  showApp("/runs/r1?view=timeline&open=ok");
  await waitFor(() => expect(document.querySelector("[data-depth]")?.getAttribute("data-status")).toBe("running"));
  await vi.advanceTimersByTimeAsync(5000);
  await waitFor(() => expect(document.querySelector("[data-depth]")?.getAttribute("data-status")).toBe("completed"));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(server.asked.filter(({ path }) => path === "runs/ok")).toHaveLength(3);
  vi.useRealTimers();
});
