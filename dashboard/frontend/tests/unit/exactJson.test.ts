import { expect, test } from "vitest";
import { bodyText, ExactJson, indented } from "../../src/lib/exactJson";
import { onVersion, untilLabel } from "../../src/lib/status";

const NUMBERS = "[9007199254740993,1.0,1e400,-0.0]";

test("numbers are sent with every digit that was typed", () => {
  const body = { input: new ExactJson(NUMBERS), queue: "slow", none: undefined };
  expect(bodyText(body)).toBe(`{"input":${NUMBERS},"queue":"slow"}`);
  expect(bodyText(new ExactJson(NUMBERS))).toBe(NUMBERS);
});

test("any other body is plain JSON", () => {
  const body = { a: [1, { b: null }], 'q"': { nested: "x", missing: undefined }, text: "é\n" };
  expect(bodyText(body)).toBe(JSON.stringify(body));
  expect(bodyText(null)).toBe("null");
});

test("lines are broken between values, never within a text or a number", () => {
  const texts = [NUMBERS, '{"a":{},"b":[],"c":[{"d":"{[,:\\" ]}"},1.0]}', '"a b"', "[]", "null"];
  for (const text of texts) {
    const shown = indented(text);
    expect(shown.replaceAll(/\n */g, "").replaceAll('": ', '":')).toBe(text);
    if (!/\d\.0|\d{17}|e4/.test(text)) expect(shown).toBe(JSON.stringify(JSON.parse(text), null, 2));
  }
});

test("a wait's end and a version are said in words", () => {
  const since = "2026-01-01T00:00:00.000Z";
  expect(["sleep", "delay", "signal"].map((on) => untilLabel({ on: on as "sleep", since }))).toEqual([
    "wakes",
    "starts",
    "times out",
  ]);
  expect([onVersion("1"), onVersion("v2"), onVersion("vanilla")]).toEqual([
    "on version 1",
    "on v2",
    "on version vanilla",
  ]);
});
