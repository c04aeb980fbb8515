/** The panel of a step: what its worker kept of each attempt, and what was logged meanwhile. */
import { fireEvent, screen, within } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import type { AttemptLog, Step, StepAttempt, StepLog } from "../../src/api/wire";
import { pass, showApp, stopClock } from "../support/app";
import { at, detail, step } from "../support/rows";
import { FakeServer } from "../support/server";

const log = (n: number, fields: Partial<StepLog> = {}): StepLog => ({
  at: at(2000 + n),
  level: "INFO",
  logger: "shop",
  message: `record ${n}`,
  ...fields,
});

const STACK = 'Traceback (most recent call last):\n  File "/app/pay.py", line 12, in charge';

function attempt(n: number, fields: Partial<StepAttempt> = {}): StepAttempt {
  return { n, execution: 1, startedAt: at(2000 * n), endedAt: at(2000 * n + 40), durationMs: 40, logs: [], ...fields };
}

const failed = (n: number, fields: Partial<StepAttempt> = {}): StepAttempt =>
  attempt(n, { error: { type: "GatewayTimeout", message: `no answer ${n}` }, traceback: `${STACK} ${n}`, ...fields });

function panel(attemptLog: AttemptLog, fields: Partial<Step> = {}): FakeServer {
  const one = step(2, { name: "charge", ...fields });
  const server = new FakeServer()
    .on("GET runs/r1", detail({ id: "r1", status: "completed", finishedAt: at(9000) }, [one]))
    .on("GET runs/r1/steps/2", { ...one, attemptLog });
  showApp("/runs/r1?step=2");
  return server;
}

const shown = (): Promise<HTMLElement> => screen.findByRole("region", { name: "Attempts and logs" });
const heads = (region: HTMLElement): (string | null)[] =>
  within(region)
    .getAllByRole("button", { expanded: undefined })
    .filter((button) => button.hasAttribute("aria-expanded"))
    .map((button) => button.textContent);

test("each attempt says its number, how it ended, how long it took and why it failed, its stack folded", async () => {
  panel({ attempts: [failed(1), failed(2), attempt(3)] });
  const region = await shown();
  expect(heads(region)).toEqual([
    "Attempt 1failed40 msGatewayTimeout: no answer 1",
    "Attempt 2failed40 ms",
    "Attempt 3succeeded40 ms",
  ]);
  // The last one that failed is open; its stack is a click away.
  expect(region.textContent).toContain("GatewayTimeout: no answer 2");
  const stack = within(region).getByLabelText("Stack");
  expect(stack.textContent).toBe(`${STACK} 2`);
  expect(stack.closest("details")?.open).toBe(false);
});

test("an execution of its own has its number, and an attempt that nobody ended is cut short", async () => {
  panel({ attempts: [attempt(1, { endedAt: undefined, durationMs: undefined }), attempt(1, { execution: 2 })] });
  expect(heads(await shown())).toEqual(["Execution 1, attempt 1cut short", "Execution 2, attempt 1succeeded40 ms"]);
});

test("the error of a step's only attempt is said once", async () => {
  const error = { type: "GatewayTimeout", message: "no answer 1", stack: `${STACK} 1` };
  panel({ attempts: [failed(1, { logs: [log(1)] })] }, { status: "failed", error });
  const region = await shown();
  expect(within(region).queryByText(/no answer/)).toBeNull();
  expect(within(region).getByText("record 1")).toBeTruthy();
  expect(screen.getAllByLabelText("Stack")).toHaveLength(1);
});

test("a record says when, how loud, what, from where and with which fields; what is hidden is marked", async () => {
  const record = log(1, {
    level: "WARNING",
    message: "try token=[redacted] again",
    where: "pay.py:12",
    fields: { order: 4711, token: "[redacted]" },
    exception: "Traceback: inner",
  });
  panel({ attempts: [failed(1, { logs: [record] })] });
  const list = within(await shown()).getByRole("list", { name: "Log of attempt 1" });
  const [item] = within(list).getAllByRole("listitem");
  expect(item?.dataset.severity).toBe("warn");
  expect(item?.textContent).toContain("WARNING");
  expect(item?.textContent).toContain("shop · pay.py:12");
  expect(item?.textContent).toContain("order=4711");
  expect(
    within(list)
      .getByText(/:02\.001$/)
      .getAttribute("dateTime"),
  ).toBe("1970-01-01T00:00:02.001Z");
  expect(within(list).getAllByTitle("Hidden by the redaction rules")).toHaveLength(2);
  expect(within(list).getByText("Traceback: inner").closest("details")?.open).toBe(false);
});

test("all of it is copied as text", async () => {
  const writeText = vi.fn(() => Promise.resolve());
  vi.stubGlobal("navigator", Object.assign(Object.create(navigator) as Navigator, { clipboard: { writeText } }));
  panel({ attempts: [failed(1, { logs: [log(1, { where: "pay.py:9", fields: { n: 1 } })] }), attempt(2)] });
  fireEvent.click(within(await shown()).getByRole("button", { name: "Copy the attempts and logs" }));
  expect(writeText).toHaveBeenCalledWith(
    "Attempt 1 failed: GatewayTimeout: no answer 1\n" +
      `${STACK} 1\n1970-01-01T00:00:02.001Z INFO shop: record 1 n=1 (pay.py:9)\n\nAttempt 2 succeeded`,
  );
});

test("10,001 records: it says how many are kept, draws some, and all when asked", async () => {
  const logs = Array.from({ length: 200 }, (_, n) => log(n));
  panel({ attempts: [failed(1, { logs, truncated: 9801 })], leftOut: 3 });
  const region = await shown();
  expect(region.textContent).toContain("200 of 10,001 records: the first and the last ones are kept.");
  expect(region.textContent).toContain("3 older attempts are left out.");
  const list = within(region).getByRole("list", { name: "Log of attempt 1" });
  expect(within(list).getAllByRole("listitem")).toHaveLength(50);
  fireEvent.click(within(region).getByRole("button", { name: "150 more records" }));
  expect(within(list).getAllByRole("listitem")).toHaveLength(200);
});

test("a search shows the records that hold the text, in every attempt", async () => {
  const logs = Array.from({ length: 20 }, (_, n) => log(n));
  panel({ attempts: [failed(1, { logs: [log(99, { message: "needle" })] }), failed(2, { logs })] });
  const region = await shown();
  fireEvent.change(within(region).getByRole("searchbox"), { target: { value: "NEEDLE" } });
  expect(within(region).getByText("needle")).toBeTruthy();
  expect(within(region).queryByText("record 3")).toBeNull();
  expect(region.textContent).toContain("0 found");
});

test("where nothing is kept it says why", async () => {
  panel({ attempts: [], absent: "It succeeded at once and quickly." });
  expect((await shown()).textContent).toContain("It succeeded at once and quickly.");
});

test("a sleep has no attempts", async () => {
  const server = panel({ attempts: [], absent: "This one waits." }, { kind: "sleep", name: "sleep:1" });
  await vi.waitFor(() => expect(server.count("GET runs/r1/steps/2")).toBe(1));
  expect(await screen.findByText("Step id")).toBeTruthy();
  expect(screen.queryByRole("region", { name: "Attempts and logs" })).toBeNull();
});

test("while the step is executing its log is read again, and no more once it is over", async () => {
  stopClock(60_000);
  const open = { status: "running" as const, finishedAt: undefined, durationMs: undefined };
  const server = panel({ attempts: [], absent: "The step is executing." }, open);
  await pass(10);
  await pass(10);
  const once = server.count("GET runs/r1/steps/2");
  const going = attempt(1, { endedAt: undefined, durationMs: undefined, logs: [log(1)] });
  server.on("GET runs/r1/steps/2", { ...step(2, { name: "charge", ...open }), attemptLog: { attempts: [going] } });
  await pass(3100);
  expect(server.count("GET runs/r1/steps/2")).toBe(once + 1);
  expect(screen.getByText("record 1")).toBeTruthy();
  expect(screen.getByText("under way")).toBeTruthy();
});

test("of a log that grows the last records are drawn, the earlier ones when asked", async () => {
  const logs = Array.from({ length: 60 }, (_, n) => log(n));
  const going = attempt(1, { endedAt: undefined, durationMs: undefined, logs });
  panel({ attempts: [going] }, { status: "running", finishedAt: undefined, durationMs: undefined });
  const region = await shown();
  expect(within(region).queryByText("record 9")).toBeNull();
  expect(within(region).getByText("record 59")).toBeTruthy();
  fireEvent.click(within(region).getByRole("button", { name: "10 earlier records" }));
  expect(within(region).getByText("record 9")).toBeTruthy();
});
