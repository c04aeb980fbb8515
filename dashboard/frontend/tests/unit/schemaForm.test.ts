import { expect, test } from "vitest";
import { fieldsOf, initialOf, writtenOf } from "../../src/lib/schemaForm";

const APPROVAL = {
  type: "object",
  properties: {
    approved: { type: "boolean", title: "Approved", default: true },
    amount: { anyOf: [{ type: "number" }, { type: "null" }], default: null },
    level: { $ref: "#/$defs/Level" },
    note: { type: "string", maxLength: 500 },
    lines: { type: "array" },
  },
  required: ["approved", "level"],
  $defs: { Level: { enum: ["low", "high"], description: "How urgent." } },
};

test("an object has a field for each of its properties, of the kind that its type says", () => {
  const fields = fieldsOf(APPROVAL);
  expect(fields.map(({ name, kind, required }) => [name, kind, required])).toEqual([
    ["approved", "boolean", true],
    ["amount", "number", false],
    ["level", "choice", true],
    ["note", "long", false],
    ["lines", "json", false],
  ]);
  expect(fields[2]).toMatchObject({ label: "level", hint: "How urgent.", choices: ["low", "high"] });
  expect(initialOf(fields)).toEqual({ approved: "true", amount: "", level: "", note: "", lines: "" });
});

test("what is typed becomes the JSON that was meant, every digit as it was", () => {
  const fields = fieldsOf(APPROVAL);
  const typed = { approved: "true", amount: "9007199254740993.0", level: '"high"', note: 'a "b"', lines: "" };
  expect(writtenOf(fields, typed).text).toBe(
    '{"approved":true,"amount":9007199254740993.0,"level":"high","note":"a \\"b\\""}',
  );
});

test("what does not fit is said at its field, and nothing is sent", () => {
  const fields = fieldsOf(APPROVAL);
  const written = writtenOf(fields, { approved: "", amount: "much", level: "", note: "", lines: "[1" });
  expect(written.text).toBeNull();
  expect(written.wrong).toEqual({
    amount: "This takes a number.",
    level: "This is needed.",
    lines: "This is not JSON. Text needs quotes.",
  });
});

test.each([
  [{ type: "integer" }, "12", "12", null],
  [{ type: "integer" }, "1.5", null, "This takes a whole number."],
  [{ type: "string" }, "yes", '"yes"', null],
  [{ type: "string" }, "", '""', null],
  [{ type: "boolean" }, "true", "true", null],
  [{ type: "array" }, "[1]", "[1]", null],
  [{}, "", null, "This is needed."],
  [undefined, "", "null", null],
  [undefined, '{"a": 1}', '{"a": 1}', null],
  [{ type: "object", properties: {} }, "{}", "{}", null],
  [{ $ref: "#/$defs/Missing" }, "1", "1", null],
])("an answer of one value: %j takes %j", (schema, text, written, wrong) => {
  const result = writtenOf(fieldsOf(schema), { "": text });
  expect([result.text, result.wrong?.[""] ?? null]).toEqual([written, wrong]);
});
