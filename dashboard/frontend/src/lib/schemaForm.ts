/** A form for an answer from its JSON schema, and the answer's JSON from what was typed. Pure. */
import type { Json } from "./json";

type Schema = Record<string, Json | undefined>;

export type FieldKind = "text" | "long" | "number" | "integer" | "boolean" | "choice" | "json";

export interface Field {
  /** Empty: the answer itself is of this kind. */
  name: string;
  label: string;
  kind: FieldKind;
  required: boolean;
  hint: string;
  choices: readonly Json[];
  /** As it is typed. */
  initial: string;
}

/** What was typed, by the names of fields; a box that is ticked is "true". */
export type Typed = Readonly<Record<string, string>>;

const isObject = (value: Json | undefined): value is Record<string, Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const textOf = (value: Json | undefined): string => (typeof value === "string" ? value : "");

/** The schema that a reference within the same document means, and of "this or null" the first. */
function resolved(schema: Schema, root: Schema): Schema {
  const reference = textOf(schema.$ref);
  if (reference.startsWith("#/$defs/")) {
    const defs = root.$defs;
    const found = isObject(defs) ? defs[reference.slice("#/$defs/".length)] : undefined;
    return isObject(found) ? { ...found, ...schema, $ref: undefined } : {};
  }
  if (Array.isArray(schema.anyOf)) {
    const others = schema.anyOf.filter((one): one is Record<string, Json> => isObject(one) && one.type !== "null");
    const [only] = others;
    if (others.length === 1 && only !== undefined) return { ...resolved(only, root), ...schema, anyOf: undefined };
  }
  return schema;
}

function kindOf(schema: Schema): FieldKind {
  if (Array.isArray(schema.enum)) return "choice";
  if (schema.type === "string") return typeof schema.maxLength === "number" && schema.maxLength > 200 ? "long" : "text";
  if (schema.type === "integer" || schema.type === "number" || schema.type === "boolean") return schema.type;
  return "json";
}

function fieldOf(name: string, given: Schema, root: Schema, required: boolean): Field {
  const schema = resolved(given, root);
  const kind = kindOf(schema);
  const preset = schema.default;
  return {
    name,
    label: textOf(schema.title) || name || "Answer",
    kind,
    required,
    hint: textOf(schema.description),
    choices: Array.isArray(schema.enum) ? schema.enum : [],
    initial:
      preset === undefined || preset === null
        ? ""
        : kind === "text" || kind === "long"
          ? textOf(preset)
          : JSON.stringify(preset),
  };
}

/** The fields of a schema: of an object one for each property, else a single one. Without a schema: any JSON. */
export function fieldsOf(schema: Schema | undefined): Field[] {
  if (schema === undefined) return [fieldOf("", {}, {}, false)];
  const root = resolved(schema, schema);
  if (root.type !== "object" || !isObject(root.properties) || Object.keys(root.properties).length === 0)
    return [fieldOf("", root, schema, true)];
  const required = Array.isArray(root.required) ? root.required : [];
  return Object.entries(root.properties).map(([name, property]) =>
    fieldOf(name, isObject(property) ? property : {}, schema, required.includes(name)),
  );
}

export const initialOf = (fields: readonly Field[]): Typed =>
  Object.fromEntries(fields.map(({ name, initial }) => [name, initial]));

export type Written = { text: string; wrong: null } | { text: null; wrong: Typed };

/** The answer as JSON text, every digit as it was typed; or what is wrong, by field. */
export function writtenOf(fields: readonly Field[], typed: Typed): Written {
  const wrong: Record<string, string> = {};
  const members: string[] = [];
  for (const field of fields) {
    const result = valueOf(field, typed[field.name] ?? "");
    if (result.wrong !== null) wrong[field.name] = result.wrong;
    else if (field.name === "") members.push(result.text ?? "null");
    else if (result.text !== null) members.push(`${JSON.stringify(field.name)}:${result.text}`);
  }
  if (Object.keys(wrong).length > 0) return { text: null, wrong };
  const [first] = fields;
  return { text: first?.name === "" ? (members[0] ?? "null") : `{${members.join(",")}}`, wrong: null };
}

/** One field's JSON; null: it is left out. */
function valueOf({ kind, required }: Field, text: string): { text: string | null; wrong: string | null } {
  if (kind === "boolean") return { text: text === "true" ? "true" : "false", wrong: null };
  if (kind === "text" || kind === "long") {
    if (text !== "" || required) return { text: JSON.stringify(text), wrong: null };
    return { text: null, wrong: null };
  }
  const trimmed = text.trim();
  if (trimmed === "") return required ? { text: null, wrong: "This is needed." } : { text: null, wrong: null };
  if (kind === "integer" && !/^-?\d+$/.test(trimmed)) return { text: null, wrong: "This takes a whole number." };
  try {
    const value: unknown = JSON.parse(trimmed);
    if (kind === "number" && typeof value !== "number") throw new Error();
  } catch {
    return { text: null, wrong: kind === "number" ? "This takes a number." : "This is not JSON. Text needs quotes." };
  }
  return { text: trimmed, wrong: null };
}
