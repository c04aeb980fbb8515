import { expect, test } from "vitest";
import { bindingOf, slotsOf } from "../../src/pages/workers/slots";

const queue = (fields: object, workers = 2) => ({
  depth: 5,
  running: 0,
  paused: false,
  presenceKnown: true,
  liveWorkers: Array.from({ length: workers }),
  ...fields,
});

test.each([
  ["no limit", queue({}), null],
  ["the queue's own", queue({ concurrency: 4 }), 4],
  ["its workers' together", queue({ workerConcurrency: 3 }), 6],
  ["the smaller of both", queue({ concurrency: 4, workerConcurrency: 3 }), 4],
  ["nobody knows how many workers there are", queue({ workerConcurrency: 3, presenceKnown: false }, 0), null],
])("how many may be at work: %s", (_, group, slots) => {
  expect(slotsOf(group)).toBe(slots);
});

test.each([
  ["nothing waits", queue({ depth: 0, running: 4, concurrency: 4 }), null],
  ["all may start", queue({ running: 3, concurrency: 4 }), null],
  ["the queue is full", queue({ running: 4, concurrency: 4, workerConcurrency: 3, rateLimitMax: 9 }), "queue"],
  ["its workers are full", queue({ running: 6, concurrency: 9, workerConcurrency: 3 }), "worker"],
  ["only the rate is left", queue({ running: 1, concurrency: 9, rateLimitMax: 9 }), "rate"],
  ["a person paused it", queue({ running: 4, concurrency: 4, paused: true }), null],
  ["nobody is there", queue({ running: 4, concurrency: 4 }, 0), null],
  ["unknown workers may be full", queue({ workerConcurrency: 1, presenceKnown: false, rateLimitMax: 9 }, 0), null],
])("why runs wait: %s", (_, group, limit) => {
  expect(bindingOf(group)).toBe(limit);
});
