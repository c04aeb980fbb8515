import { expect, test } from "vitest";
import {
  axisTicks,
  formatAgo,
  formatClock,
  formatDuration,
  formatOffset,
  formatRunDuration,
  resolveSince,
} from "../../src/lib/time";
import cases from "./durations.json";

test("durations and ages read as the table says, which the command line's test reads too", () => {
  for (const [ms, text] of cases.duration as [number, string][]) expect(formatDuration(ms), `${ms}`).toBe(text);
  for (const [ms, text] of cases.runDuration as [number, string][]) expect(formatRunDuration(ms), `${ms}`).toBe(text);
  for (const [ms, text] of cases.ago as [number, string][]) expect(formatAgo(0, ms), `${ms}`).toBe(text);
});

test("a duration nobody knows is a dash, and a part of a millisecond is none", () => {
  expect(formatDuration(undefined)).toBe("–");
  expect(formatDuration(0.4)).toBe("0 ms");
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

test("a time of another year says its year, also at the end of a range of that year", () => {
  const old = new Date(2024, 2, 4, 14, 2, 9).getTime();
  const today = new Date(2026, 2, 4, 15).getTime();
  expect(formatClock(old, old, today)).toContain("2024");
  expect(formatClock(today - 60_000, today, today)).not.toContain("2026");
  expect(formatClock(today - 86_400_000 * 3, today, today)).not.toContain("2026");
});
