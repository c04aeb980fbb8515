import { expect, test } from "vitest";
import type { Json } from "../../src/api/wire";
import { countOf, find, pathTo } from "../../src/ui/payload/find";
import { imageOf, isMarkdown, kindOf, textOf } from "../../src/ui/payload/kinds";
import { blocks, inlines } from "../../src/ui/payload/markdown";

test("a list of messages is a conversation, of a class or not, with whatever else a message has", () => {
  const calls = [{ name: "look_up" }];
  const found = kindOf([
    { role: "system", content: "Be brief." },
    { $class: "app.Message", $state: { role: "user", content: [{ type: "text", text: "Hi" }, { type: "image" }] } },
    { role: "assistant", content: null, tool_calls: calls },
  ]);
  expect(found).toEqual({
    kind: "conversation",
    messages: [
      { role: "system", parts: ["Be brief."], rest: {} },
      { role: "user", parts: [{ type: "text", text: "Hi" }, { type: "image" }], rest: {} },
      { role: "assistant", parts: [], rest: { tool_calls: calls } },
    ],
  });
  expect(textOf({ type: "text", text: "Hi" })).toBe("Hi");
  expect(textOf({ type: "image" })).toBeNull();
});

test("what only looks like one is data", () => {
  for (const value of [
    [],
    [{ role: "admin" }],
    [{ role: 1, content: "x" }],
    [{ role: "a", content: "b" }, 3],
    "x",
    null,
  ])
    expect(kindOf(value)).toBeNull();
});

test("arrays and frames are tables of their first cells", () => {
  expect(kindOf({ $array: { dtype: "int32", shape: [2, 3], first: [0, 1, 2, 3, 4, 5] } })).toEqual({
    kind: "table",
    title: "int32 2 × 3",
    columns: [],
    rows: [
      [0, 1, 2],
      [3, 4, 5],
    ],
    more: false,
  });
  expect(kindOf({ $frame: { shape: [900, 2], dtypes: { a: "int64", b: "str" }, first: [{ a: 1, b: "x" }] } })).toEqual({
    kind: "table",
    title: "900 rows × 2 columns",
    columns: ["a int64", "b str"],
    rows: [[1, "x"]],
    more: true,
  });
  expect(kindOf({ $array: { dtype: "int32", shape: "wide", first: 3 } })).toBeNull();
  expect(kindOf({ $array: { dtype: "f8", shape: [0, 0], first: [] } })).toMatchObject({ rows: [], more: false });
});

test("bytes say by their beginning what they are; only a whole picture is drawn", () => {
  const png = btoa(`\x89PNG\r\n\x1a\n${"x".repeat(40)}`);
  expect(kindOf({ $bytes: png, $length: 48 })).toMatchObject({ type: "image/png", image: true, whole: true });
  expect(kindOf({ $bytes: png, $length: 9000 })).toMatchObject({ type: "image/png", image: false, whole: false });
  expect(kindOf({ $bytes: btoa("%PDF-1.7"), $length: 8 })).toMatchObject({ type: "application/pdf", image: false });
  expect(kindOf({ $bytes: btoa("RIFF....WAVE"), $length: 12 })).toMatchObject({ type: "bytes", image: false });
  expect(kindOf({ $bytes: "[redacted]", $length: 8 })).toBeNull();
  expect(imageOf("data:image/svg+xml;base64,PHN2Zz4=")).toBeNull();
  expect(imageOf(`data:image/png;base64,${png}`)).not.toBeNull();
});

test("Markdown is told from prose, and its links and HTML stay text", () => {
  expect(isMarkdown("a line\nand another")).toBe(false);
  expect(isMarkdown("# Title\n\n- one\n- two")).toBe(true);
  expect(isMarkdown("```\ncode\n```")).toBe(true);
  const found = blocks("# A\n\nword **b** `c` <b>x</b> [y](javascript:z)\n\n1. one\n2. two\n```py\nx = 1\n```\n> q");
  expect(found.map(({ block }) => block)).toEqual(["heading", "paragraph", "list", "code", "quote"]);
  expect(inlines("word **b** `c`")).toEqual([
    { text: "word ", style: "plain" },
    { text: "b", style: "bold" },
    { text: " ", style: "plain" },
    { text: "c", style: "code" },
  ]);
  expect(JSON.stringify(found)).toContain("[y](javascript:z)");
  expect(blocks("```\nnever closed")).toEqual([{ block: "code", language: "", text: "never closed" }]);
});

test("a megabyte of hostile Markdown is read in no time that grows faster than it", () => {
  for (const text of ["*".repeat(200_000), "**a".repeat(60_000), "`".repeat(200_000), "# ".repeat(100_000)])
    expect(blocks(text).length).toBeGreaterThan(0);
});

test("keys and values are found wherever they are, by a path that names the place", () => {
  const value: Json = { items: [{ "first name": "Ada" }, { sku: "A-1" }], sku_count: 2 };
  expect(find(value, "SKU")).toEqual(["$.items[1].sku", "$.sku_count"]);
  expect(find(value, "ada")).toEqual(['$.items[0]["first name"]']);
  expect(pathTo("$", "0", true)).toBe("$[0]");
  expect(
    find(
      Array.from({ length: 5000 }, () => "x"),
      "x",
    ),
  ).toHaveLength(200);
  expect(countOf(value, 3)).toBe(3);
});
