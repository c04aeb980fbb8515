import { expect, test } from "vitest";
import { row } from "../support/rows";
import type { RunRow, Step } from "../../src/api/wire";
import { lasted } from "../../src/pages/run/attemptWords";
import {
  barOf,
  begunAt,
  isKept,
  isLine,
  lanesOf,
  orderSteps,
  pan,
  place,
  rangeOf,
  zoom,
} from "../../src/pages/run/bars";
import { nextCursor } from "../../src/api/link";
import { traceLink } from "../../src/lib/trace";

const at = (ms: number): string => new Date(ms).toISOString();

function step(fields: Partial<Step>): Step {
  return {
    runId: "r",
    seq: 1,
    name: "s",
    kind: "local",
    status: "completed",
    stepId: "r:1",
    attempts: 1,
    housekeeping: false,
    spanId: "x",
    ...fields,
  };
}

const run: RunRow = row(1);

test("a bar begins in the queue and ends at the step's end", () => {
  const bar = barOf(step({ enqueuedAt: at(1000), startedAt: at(1500), finishedAt: at(2000) }), 9000, null);
  expect([bar.queuedAt, bar.startAt, bar.endAt, bar.open]).toEqual([1000, 1500, 2000, false]);
});

test("a step in flight grows to now, and stops growing when its run has ended", () => {
  const flying = step({ status: "running", startedAt: at(1500) });
  expect(barOf(flying, 9000, null)).toMatchObject({ endAt: 9000, open: true });
  expect(barOf(flying, 9000, 4000)).toMatchObject({ endAt: 4000, open: false });
});

test("a queued step is all queue", () => {
  const bar = barOf(step({ kind: "remote", status: "pending", enqueuedAt: at(1500) }), 9000, null);
  expect([bar.queuedAt, bar.startAt]).toEqual([1500, 9000]);
});

test("a child that ended long before its result was fetched is not drawn as work until then", () => {
  const child = { ...run, finishedAt: at(3001) };
  expect(barOf(step({ kind: "remote", startedAt: at(1000), finishedAt: at(9000) }), 9000, null, child).doneAt).toBe(
    3001,
  );
  const rounded = { ...run, finishedAt: at(8000) };
  expect(
    barOf(step({ kind: "remote", startedAt: at(1000), finishedAt: at(9000) }), 9000, null, rounded).doneAt,
  ).toBeNull();
});

test("the axis covers steps that end after the run says it did", () => {
  const bar = barOf(step({ startedAt: at(1500), finishedAt: at(4200) }), 9000, 4000);
  expect(rangeOf({ ...run, createdAt: at(1001), finishedAt: at(4000) }, [bar], 9000)).toEqual({ from: 1001, to: 4200 });
});

test("the axis of a run that is being undone continues, for its compensations do", () => {
  expect(rangeOf({ ...run, status: "cancelling", finishedAt: at(4000) }, [], 9000)).toEqual({ from: 1000, to: 9000 });
});

test("zoom keeps the point under the pointer and stays inside the run", () => {
  const whole = { from: 0, to: 1000 };
  expect(zoom(whole, whole, 0.5, 500)).toEqual({ from: 250, to: 750 });
  expect(zoom({ from: 0, to: 100 }, whole, 100, 50)).toEqual(whole);
  expect(pan({ from: 0, to: 100 }, whole, 5000)).toEqual({ from: 900, to: 1000 });
  expect(place(2000, 3000, whole)).toBeNull();
});

test("steps go by number, the undo last with its first compensation first", () => {
  const steps = [
    step({ seq: -2, compensates: 1 }),
    step({ seq: 2 }),
    step({ seq: -1, compensates: 2 }),
    step({ seq: 1 }),
    step({ seq: 3, housekeeping: true }),
  ];
  expect(orderSteps(steps, false).map((s) => s.seq)).toEqual([1, 2, -1, -2]);
});

test("the next page's cursor is read from the Link header", () => {
  expect(nextCursor('</durable/api/runs?status=failed&cursor=abc%3D>; rel="next"')).toBe("abc=");
  expect(nextCursor('</x?cursor=1>; rel="prev"')).toBeNull();
  expect(nextCursor(null)).toBeNull();
});

test("a trace link is filled in, and is never a script", () => {
  expect(traceLink("https://j/trace/{trace_id}?s={span_id}&r={run_id}", "t", "s", "a/b")).toBe(
    "https://j/trace/t?s=s&r=a%2Fb",
  );
  expect(traceLink("javascript:alert(1)", "t", "s", "r")).toBeNull();
});

test("where a run's times are whole seconds, its axis begins and ends with its steps", () => {
  const rounded: RunRow = { ...run, roundedMs: 1000, createdAt: at(1000), updatedAt: at(3000), finishedAt: at(3000) };
  const bars = [barOf(step({ startedAt: at(1640), finishedAt: at(2500) }), 9000, 3000)];
  expect(rangeOf(rounded, bars, 9000)).toEqual({ from: 1640, to: 2500 });
  const worked: RunRow = { ...rounded, finishedAt: at(9000), updatedAt: at(9000) };
  expect(rangeOf(worked, bars, 9000)).toEqual({ from: 1640, to: 9000 }); // seconds of work are no rounding
  expect(rangeOf({ ...run, createdAt: at(1001), finishedAt: at(3000) }, bars, 9000).from).toBe(1001);
});

test("a wait that is not answered yet is drawn from its beginning, not as time in a queue", () => {
  const wait = step({ kind: "signal", status: "pending", startedAt: at(1500) });
  expect(barOf(wait, 9000, null)).toMatchObject({ queuedAt: 1500, startAt: 1500, endAt: 9000, open: true });
});

test("earlier attempts are moved to the beginning of the axis, the newest first", () => {
  const lanes = lanesOf(
    [
      { n: 1, cause: "start", enqueuedAt: at(1000), startedAt: at(1500), endedAt: at(2000), outcome: "failed" },
      { n: 2, cause: "retry", enqueuedAt: at(50_000), startedAt: at(50_000), endedAt: at(51_000), outcome: "failed" },
      { n: 3, cause: "retry", enqueuedAt: at(90_000) },
    ],
    90_000,
  );
  expect(lanes.map(({ attempt, bar }) => [attempt.n, bar.queuedAt, bar.startAt, bar.endAt])).toEqual([
    [2, 90_000, 90_000, 91_000],
    [1, 90_000, 90_500, 91_000],
  ]);
});

test("an earlier attempt whose times are whole seconds begins and ends with its steps, which keep their lengths", () => {
  const [lane] = lanesOf(
    [
      {
        n: 1,
        cause: "start",
        enqueuedAt: at(47_000),
        startedAt: at(48_000),
        endedAt: at(48_000),
        outcome: "failed",
        steps: [
          {
            seq: 1,
            name: "a",
            kind: "local",
            status: "completed",
            housekeeping: false,
            startedAt: at(48_351),
            endedAt: at(48_356),
            durationMs: 5,
          },
          {
            seq: 2,
            name: "b",
            kind: "local",
            status: "failed",
            housekeeping: false,
            startedAt: at(48_363),
            endedAt: at(48_366),
            durationMs: 3,
          },
        ],
      },
      { n: 2, cause: "retry", enqueuedAt: at(90_000) },
    ],
    90_000,
  );
  expect(lane?.bar).toEqual({ queuedAt: 90_000, startAt: 90_000, endAt: 90_015 });
  expect(lane?.steps.map(({ startAt, endAt }) => [startAt, endAt])).toEqual([
    [90_000, 90_005],
    [90_012, 90_015],
  ]);
});

test("an attempt that was cut short keeps its time in a queue and its interrupted step", () => {
  const [lane] = lanesOf(
    [
      {
        n: 1,
        cause: "start",
        enqueuedAt: at(1000),
        endedAt: at(9977),
        steps: [
          {
            seq: 2,
            name: "pack",
            kind: "local",
            status: "interrupted",
            housekeeping: false,
            startedAt: at(4200),
            endedAt: at(9700),
          },
        ],
      },
      { n: 2, cause: "move", enqueuedAt: at(9977) },
    ],
    20_000,
  );
  expect(lane?.bar).toEqual({ queuedAt: 20_000, startAt: 23_200, endAt: 28_977 });
  expect(lane?.steps.map(({ step: { status }, startAt, endAt }) => [status, startAt, endAt])).toEqual([
    ["interrupted", 23_200, 28_700],
  ]);
});

test.each([
  ["between two whole seconds nobody measured a queue", 47_000, 48_000, 48_000, [48_351, 48_366], "ran 15 ms"],
  ["nothing but whole seconds says so", 47_000, 48_000, 51_000, null, "ran 3 s ±1 s"],
  ["a long queue of whole seconds has no decimals", 41_000, 48_000, 51_000, null, "queued 7 s, ran 3 s ±1 s"],
  ["what was measured in milliseconds is told so", 47_100, 48_340, 48_355, null, "queued 1.24 s, ran 15 ms"],
  ["one that goes on has no end", 41_000, 48_000, null, null, "queued 7 s ±1 s"],
])("how long an attempt lasted: %s", (_, enqueued, started, ended, step, words) => {
  const made = { seq: 1, name: "a", kind: "local", status: "failed", housekeeping: false } as const;
  const steps = step ? [{ ...made, startedAt: at(step[0] ?? 0), endedAt: at(step[1] ?? 0) }] : [];
  const times = { enqueuedAt: at(enqueued), startedAt: at(started), ...(ended === null ? {} : { endedAt: at(ended) }) };
  expect(lasted({ n: 1, cause: "start", ...times, steps })).toBe(words);
});

test("a result from before the last attempt is kept, not drawn in it", () => {
  const bar = barOf(step({ startedAt: at(1500), finishedAt: at(2000) }), 9000, 9000);
  expect(isKept(bar, 8000)).toBe(true);
  expect(isKept(bar, null)).toBe(false);
  expect(isKept(bar, 2500)).toBe(false); // the run's own times are whole seconds
});

test("a line of steps needs no graph", () => {
  expect(isLine([step({}), step({ seq: 2 })])).toBe(true);
  expect(isLine([step({}), step({ seq: 2, childRunId: "c" })])).toBe(false);
});

test("nobody measured the queue of what the engine put back by itself: its attempt begins with its start", () => {
  const attempt = { n: 2, cause: "resume", by: "the engine", startedAt: "2026-01-01T15:00:00.250Z" };
  const ended = { ...attempt, endedAt: "2026-01-01T15:00:12.250Z" };
  expect(begunAt(attempt)).toBe(attempt.startedAt);
  expect(lasted(ended)).toBe("ran 12 s");
  expect(begunAt({ ...attempt, startedAt: undefined })).toBeUndefined();
  const cancelled = {
    n: 1,
    cause: "start",
    enqueuedAt: "2026-01-01T00:00:00.000Z",
    endedAt: "2026-01-01T09:00:00.000Z",
  };
  expect(lasted(cancelled)).toBe("");
  const whole = { ...ended, enqueuedAt: "2026-01-01T14:59:59.912Z", startedAt: "2026-01-01T15:00:00.000Z" };
  expect(lasted({ ...whole, endedAt: "2026-01-01T15:00:01.000Z" })).toBe("ran 1 s ±1 s");
});
