import { expect, test } from "vitest";
import type { RunDetail } from "../../src/api/wire";
import { barOf } from "../../src/pages/run/bars";
import type { Entry } from "../../src/pages/run/folds";
import { type ChildLane, laneSteps, MOST_LEVELS, withLanes, wrongChildren } from "../../src/pages/run/lanes";
import { links } from "../../src/shell/links";
import { runSearch } from "../../src/pages/run/search";
import { detail, step } from "../support/rows";

const ended = (id: string, timeline = [step(1)], fields: Partial<RunDetail> = {}) =>
  detail({ id, status: "completed", finishedAt: "2026-01-01T00:00:09.000Z" }, timeline, fields);
const lane = (found: RunDetail | undefined, fields: Partial<ChildLane> = {}): ChildLane => ({
  detail: found,
  error: null,
  limit: 20,
  ...fields,
});
const parent = (childRunId: string): Entry[] => [
  { bar: barOf(step(1, { kind: "remote", childRunId }), 0, null), attempt: null, fold: null },
];
const words = (rows: Entry[]): string[] =>
  rows.map((row) =>
    "note" in row
      ? `${row.depth} ${row.note} ${row.left ?? ""}`
      : "bar" in row
        ? `${row.depth ?? 0} ${row.bar.step.name}`
        : "",
  );

test("an opened child's steps stand below the step that started it, and its children's below theirs", () => {
  const below = ended("c1", [step(1), step(2, { kind: "remote", childRunId: "c2" }), step(3)]);
  const lanes = new Map([
    ["c1", lane(below)],
    ["c2", lane(ended("c2", [step(1, { name: "deep" })]))],
  ]);
  expect(words(withLanes(parent("c1"), lanes, 0))).toEqual(["0 step_1", "1 step_1", "1 step_2", "2 deep", "1 step_3"]);
});

test("nothing is shown deeper than four levels, and a run that would be its own child once", () => {
  const chain = new Map(
    [1, 2, 3, 4, 5].map((n) => [`c${n}`, lane(ended(`c${n}`, [step(1, { kind: "remote", childRunId: `c${n + 1}` })]))]),
  );
  const depths = withLanes(parent("c1"), chain, 0).map((row) => ("depth" in row ? (row.depth ?? 0) : 0));
  expect(Math.max(...depths)).toBe(MOST_LEVELS);
  const own = new Map([["c1", lane(ended("c1", [step(1, { kind: "remote", childRunId: "c1" })]))]]);
  expect(withLanes(parent("c1"), own, 0)).toHaveLength(2);
});

test("of many steps what failed comes first, then what is under way; the rest is counted", () => {
  const many = Array.from({ length: 300 }, (_, index) => step(index + 1));
  const failed = step(250, { status: "failed" });
  const open = step(200, { status: "running" });
  delete open.finishedAt;
  many[249] = failed;
  many[199] = open;
  const found = ended("c1", many);
  expect(laneSteps(found, 4).map(({ seq }) => seq)).toEqual([250, 200, 1, 2]);
  expect(words(withLanes(parent("c1"), new Map([["c1", lane(found)]]), 0)).at(-1)).toBe("1 more 280");
  expect(words(withLanes(parent("c1"), new Map([["c1", lane(found, { limit: 400 })]]), 0))).toHaveLength(301);
});

test("of 10,000 children a handful of rows is drawn, those that failed first", () => {
  const kept = [step(7000, { status: "failed", kind: "remote", childRunId: "x" })];
  const fold = { first: 1, last: 10_000, count: 10_000, names: ["pack"], turns: 10_000, byStatus: {}, kept: [7000] };
  const found = ended("c1", kept, { stepsTotal: 10_000, folds: [fold] });
  const rows = withLanes(parent("c1"), new Map([["c1", lane(found)]]), 0);
  expect(words(rows)).toEqual(["0 step_1", "1 step_7000", "1 folded 9999"]);
});

test("a child that is read, cannot be read, or has no steps says so", () => {
  const notes = [lane(undefined), lane(undefined, { error: new Error("away") }), lane(ended("c1", []))];
  expect(notes.map((entry) => words(withLanes(parent("c1"), new Map([["c1", entry]]), 0))[1]?.trim())).toEqual([
    "1 loading",
    "1 failed",
    "1 empty",
  ]);
});

test("three of the children that went wrong are opened at once", () => {
  const steps = [1, 2, 3, 4, 5].map((seq) => step(seq, { status: "failed", kind: "remote", childRunId: `c${seq}` }));
  expect(wrongChildren(ended("r", [step(9), ...steps, step(10, { status: "failed" })]))).toEqual(["c1", "c2", "c3"]);
});

test("the address keeps which children are open, whatever their ids are made of", () => {
  const open = ["a,b", "c/d?e=f&g", "plain", "é%20"];
  const address = links.run("r1", { open });
  expect(runSearch.parse(new URLSearchParams(address.slice(address.indexOf("?")))).open).toEqual(open);
  expect(runSearch.parse(new URLSearchParams("open=%25E0,,x")).open).toEqual(["x"]);
  const many = Array.from({ length: 50 }, (_, index) => `c${index}`).join(",");
  expect(runSearch.parse(new URLSearchParams({ open: many })).open).toHaveLength(20);
});
