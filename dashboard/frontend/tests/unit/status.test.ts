import { expect, test } from "vitest";
import { row } from "../support/rows";
import type { RunRow } from "../../src/api/wire";
import { measure } from "../../src/lib/measure";
import { isHeld, stepLabel, waitingLabel } from "../../src/lib/status";

const at = (ms: number): string => new Date(ms).toISOString();
const blocked: RunRow = { ...row(1, { status: "blocked", executor: "e" }), startedAt: undefined };

test("a run whose worker is lost has been at work and can be re-dispatched", () => {
  expect(isHeld(blocked)).toBe(true);
  expect(measure(blocked, 5000)).toEqual({ queueMs: 0, workMs: 4000 });
});

test("a run that nobody took waits in its queue, where a re-dispatch would put it", () => {
  const queued: RunRow = { ...blocked, waiting: { on: "queue", name: "gpu", since: at(1000) } };
  expect(isHeld(queued)).toBe(false);
  expect(measure(queued, 5000)).toEqual({ queueMs: 4000, workMs: 0 });
});

test("neither a delay nor an earlier attempt is time on a queue, or at work", () => {
  const delayed: RunRow = { ...row(1, { status: "pending" }), startedAt: undefined };
  const until = { on: "delay", name: "gpu", since: at(1000), until: at(9000) } as const;
  expect(measure({ ...delayed, waiting: until }, 5000)).toEqual({ queueMs: 0, workMs: 0 });
  const again = { on: "queue", name: "gpu", since: at(54_000_000) } as const;
  expect(measure({ ...delayed, waiting: again }, 54_003_000)).toEqual({ queueMs: 3000, workMs: 0 });
  const retried: RunRow = { ...row(1, { status: "running", queueMs: 200 }), startedAt: at(54_000_200) };
  expect(measure(retried, 54_003_200)).toEqual({ queueMs: 200, workMs: 3000 });
});

test("a run that was cancelled in its queue did not work since it was created", () => {
  const stopped: RunRow = {
    ...row(1, { status: "cancelled", finishedAt: at(9000) }),
    startedAt: undefined,
    durationMs: undefined,
  };
  expect(measure(stopped, 90_000)).toEqual({ queueMs: 0, workMs: 0 });
  expect(measure({ ...stopped, durationMs: 870, queueMs: 5092 }, 90_000)).toEqual({ queueMs: 5092, workMs: 870 });
});

test("the engine's own queues are not named to people", () => {
  expect(waitingLabel({ on: "queue", name: "_dbos_internal_queue", since: at(0) })).toBe("in queue");
  expect(waitingLabel({ on: "queue", name: "gpu", since: at(0) })).toBe("in queue gpu");
});

test("a compensation is called by the step that it undoes", () => {
  expect(stepLabel("compensate:charge", 2)).toBe("undo charge");
  expect(stepLabel("compensate:charge", undefined)).toBe("compensate:charge");
  expect(stepLabel("breakpoint:manager approves", undefined)).toBe("manager approves");
});
