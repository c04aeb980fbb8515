import { expect, test } from "vitest";
import type { Fold, Step } from "../../src/api/wire";
import { barOf } from "../../src/pages/run/bars";
import { countSteps, entriesOf, foldLabel, type Opened, withOpened } from "../../src/pages/run/folds";
import { step } from "../support/rows";

const fold = (first: number, last: number, fields: Partial<Fold> = {}): Fold => ({
  first,
  last,
  count: last - first + 1,
  names: ["a"],
  turns: last - first + 1,
  byStatus: {},
  kept: [],
  ...fields,
});

const words = (steps: readonly Step[], folds: readonly Fold[], opened: ReadonlyMap<number, Opened>): string =>
  entriesOf(
    steps.map((one) => barOf(one, 0, 0)),
    [],
    folds,
    opened,
  )
    .map((entry) => {
      if ("bar" in entry) return `${entry.fold ? "~" : ""}${entry.bar.step.seq}`;
      return "more" in entry ? `more(${entry.left})` : "opened" in entry ? (entry.opened ? "open" : "fold") : "lane";
    })
    .join(" ");

test.each([
  [[1, 2, 9], [fold(3, 8)], "1 2 fold 9"],
  [[1, 5, 9], [fold(3, 8, { kept: [5] })], "1 fold ~5 9"],
  [[], [fold(1, 4), fold(5, 8)], "fold fold"],
  [[1, 9, -1], [fold(2, 8)], "1 fold 9 -1"],
])("%j with %j stand in order", (seqs, folds, text) => {
  const steps = seqs.map((seq) => step(seq, seq < 0 ? { compensates: 1 } : {}));
  expect(words(steps, folds, new Map())).toBe(text);
});

test("of an opened fold what was read comes, how to read on, and what it keeps further down", () => {
  const long = fold(1, 100, { kept: [50] });
  const opened = new Map([[1, { steps: [step(1), step(2), step(3)], next: 4 }]]);
  const steps = withOpened([step(50), step(101)], opened).sort((a, b) => a.seq - b.seq);
  expect(words(steps, [long], opened)).toBe("open ~1 ~2 ~3 more(97) ~50 101");
});

test("a fold is counted whole, what it keeps once, the engine's own steps not", () => {
  const steps = [step(1), step(2, { housekeeping: true }), step(5), step(9)];
  expect(countSteps(steps, [fold(3, 8, { kept: [5] })])).toBe(8);
});

test("a stretch that is no loop says how many steps it is", () => {
  expect(foldLabel(fold(1, 4800, { names: [] }))).toBe("4,800 steps");
});
