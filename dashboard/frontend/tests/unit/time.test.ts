import { expect, test } from "vitest";
import { axisTicks, formatAgo, formatDuration, formatOffset, formatRunDuration, resolveSince } from "../../src/lib/time";

test("a duration has at most three digits that matter", () => {
  expect([0, 0.4, 12, 999, 1240, 12_400, 59_949, 59_960, 192_000, 7_500_000, 273_600_000].map(formatDuration)).toEqual([
    "0 ms", "0 ms", "12 ms", "999 ms", "1.24 s", "12.4 s", "59.9 s", "1m 00s", "3m 12s", "2h 05m", "3d 4h",
  ]);
});

test("a run's duration claims no digits that its store does not keep", () => {
  expect([0, 1000, 42_000, 1240, 60_000].map(formatRunDuration)).toEqual(["< 1 s", "1 s", "42 s", "1.24 s", "1m 00s"]);
});

test("a duration nobody knows is a dash, and none is negative", () => {
  expect(formatDuration(undefined)).toBe("–");
  expect(formatDuration(-5)).toBe("0 ms");
});

test("times ahead say so", () => {
  expect(formatAgo(10_000, 250_000)).toBe("4m ago");
  expect(formatAgo(250_000, 10_000)).toBe("in 4m");
});

test("an axis has round ticks inside its range and no more than asked", () => {
  const { stepMs, ticks } = axisTicks(0, 14_200, 8);
  expect(stepMs).toBe(2000);
  expect(ticks).toEqual([0, 2000, 4000, 6000, 8000, 10_000, 12_000, 14_000]);
  expect(ticks.map(formatOffset).slice(0, 3)).toEqual(["0", "2 s", "4 s"]);
});

test("a moving window becomes an instant, an instant stays", () => {
  expect(resolveSince("24h", Date.UTC(2026, 0, 2))).toBe("2026-01-01T00:00:00.000Z");
  expect(resolveSince("2026-01-01T00:00:00Z", 0)).toBe("2026-01-01T00:00:00Z");
});
