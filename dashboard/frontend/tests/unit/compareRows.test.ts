import { expect, test } from "vitest";
import type { ComparedRow } from "../../src/api/wire";
import { foldAlike } from "../../src/pages/compare/rows";

const rows = (pattern: string): ComparedRow[] => [...pattern].map((mark) => ({ differs: mark === "x" }));
const marks = (pattern: string, opened: number[] = []): string =>
  foldAlike(rows(pattern), new Set(opened))
    .map((entry) => ("alike" in entry ? `[${entry.alike.length}]` : entry.row.differs ? "x" : "."))
    .join("");

test.each([
  ["", ""],
  ["...", "..."],
  ["..........", "[10]"],
  ["..........x", "[9].x"],
  ["x........x", "x.[6].x"],
  ["x.......x", "x.......x"],
  ["xx........", "xx.[7]"],
])("%s is shown as %s: what differs keeps a neighbour on each side", (pattern, shown) => {
  expect(marks(pattern)).toBe(shown);
});

test("a stretch that was opened stays open, and the others folded", () => {
  expect(marks("..........x..........", [0])).toBe("..........x.[9]");
});
