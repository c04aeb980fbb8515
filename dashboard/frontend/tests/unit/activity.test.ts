import { expect, test } from "vitest";
import { type Counts, countsOf, piecesOf } from "../../src/features/activity/bands";
import { around, fromField, rangeLabel, toField } from "../../src/lib/range";
import { rangeOf } from "../../src/pages/errors/words";

const counts = (fields: Partial<Counts>): Counts => ({ failed: 0, open: 0, cancelled: 0, completed: 0, ...fields });

test("one failure among thousands is seen, and no bar is taller than the band", () => {
  const pieces = piecesOf(counts({ failed: 1, open: 1, completed: 100_000 }), 100_002, 44);
  expect(pieces.map(({ kind }) => kind)).toEqual(["failed", "open", "completed"]);
  expect(pieces[0]?.height).toBeGreaterThanOrEqual(4);
  expect(pieces.reduce((sum, { height }) => sum + height, 0)).toBeLessThanOrEqual(44);
});

test("a quiet hour beside a burst is a bar, a tenth as tall at a hundredth of the count", () => {
  const [burst] = piecesOf(counts({ completed: 10_000 }), 10_000, 44);
  const [quiet] = piecesOf(counts({ completed: 100 }), 10_000, 44);
  const [single] = piecesOf(counts({ completed: 1 }), 10_000, 44);
  expect(burst?.height).toBe(44);
  expect(quiet?.height).toBeCloseTo(4.4);
  expect(single?.height).toBe(2);
});

test("dead runs count as failures, what may still happen as open", () => {
  const bucket = { counts: { failed: 1, dead: 2, running: 3, blocked: 4, completed: 5, cancelled: 6 } };
  expect(countsOf(bucket)).toEqual({ failed: 3, open: 7, completed: 5, cancelled: 6 });
});

test("a moment typed in local time is the same moment again", () => {
  const moment = "2026-03-04T10:20:30.000Z";
  expect(fromField(toField(moment, 0))).toBe(moment);
  expect(fromField("")).toBe("");
  expect(around(moment, 60_000)).toEqual({ since: "2026-03-04T10:19:30.000Z", until: "2026-03-04T10:21:30.000Z" });
});

test("a range is said in words", () => {
  const now = Date.parse("2026-03-04T12:00:00.000Z");
  expect(rangeLabel({ since: "24h", until: "" }, now)).toBe("Last 24 h");
  expect(rangeLabel({ since: "", until: "" }, now)).toBe("Any time");
  expect(rangeLabel({ since: "2026-03-04T10:00:00Z", until: "2026-03-04T11:00:00Z" }, now)).toContain(" – ");
});

test("errors without a time are those of a week", () => {
  expect(rangeOf(null, null)).toEqual({ since: "7d", until: "" });
  expect(rangeOf("1h", null)).toEqual({ since: "1h", until: "" });
  expect(rangeOf(null, "2026-03-08T00:00:00.000Z").since).toBe("2026-03-01T00:00:00.000Z");
});
