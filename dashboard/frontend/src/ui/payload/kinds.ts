/** What a part of a payload is to a person: a conversation, a table, a file, prose. Pure. */
import type { Json } from "../../api/wire";

type JsonObject = { [key: string]: Json };

export interface Message {
  role: string;
  /** Text parts in order; anything else as it is. */
  parts: Json[];
  /** What else the message has, such as tool calls. */
  rest: JsonObject;
}

export type Kind =
  | { kind: "conversation"; messages: Message[] }
  | { kind: "table"; title: string; columns: string[]; rows: Json[][]; more: boolean }
  | { kind: "file"; type: string; image: boolean; base64: string; bytes: number; whole: boolean };

const MOST_MESSAGES = 500;

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An object's members, seen through the class that it is of. */
function members(value: Json): JsonObject | null {
  if (!isObject(value)) return null;
  return isObject(value.$state) ? value.$state : value;
}

/** What this part is, where it is more than data. */
export function kindOf(value: Json): Kind | null {
  const messages = conversation(value);
  if (messages) return { kind: "conversation", messages };
  if (!isObject(value)) return null;
  return table(value) ?? file(value);
}

/** A list of ``{role, content}``, as chat models take and give them. */
function conversation(value: Json): Message[] | null {
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST_MESSAGES) return null;
  const found: Message[] = [];
  for (const item of value) {
    const message = members(item);
    if (!message || typeof message.role !== "string" || !("content" in message || "parts" in message)) return null;
    const { role, content = null, parts = null, ...rest } = message;
    const told = content ?? parts;
    found.push({ role, parts: Array.isArray(told) ? told : told === null ? [] : [told], rest });
  }
  return found;
}

/** "hello" of a part of a message: of ``{type: "text", text: "hello"}`` too. */
export function textOf(part: Json): string | null {
  if (typeof part === "string") return part;
  if (isObject(part) && typeof part.text === "string" && (part.type === undefined || part.type === "text"))
    return part.text;
  return null;
}

const word = (value: Json | undefined): string => (typeof value === "string" ? value : JSON.stringify(value ?? null));

const sizes = (value: Json | undefined): number[] | null =>
  Array.isArray(value) && value.every((size) => typeof size === "number") ? value : null;

/** ``$array`` and ``$frame``, which the server made of numpy's and pandas' bytes. */
function table(value: JsonObject): Kind | null {
  const { $array: array, $frame: frame } = value;
  if (isObject(array)) {
    const shape = sizes(array.shape);
    if (!shape || !Array.isArray(array.first)) return null;
    const wide = shape.length > 1 ? Math.max(1, shape.at(-1) ?? 1) : Math.max(1, array.first.length);
    const rows: Json[][] = [];
    for (let at = 0; at < array.first.length; at += wide) rows.push(array.first.slice(at, at + wide));
    const title = `${word(array.dtype)} ${shape.length === 0 ? "scalar" : shape.join(" × ")}`;
    const more = array.first.length < shape.reduce((product, size) => product * size, 1);
    return { kind: "table", title, columns: [], rows, more };
  }
  if (!isObject(frame)) return null;
  const shape = sizes(frame.shape);
  const { dtypes, first } = frame;
  if (!shape || !isObject(dtypes) || !Array.isArray(first)) return null;
  const names = Object.keys(dtypes);
  const rows = first.map((row) => names.map((name) => (isObject(row) ? (row[name] ?? null) : null)));
  return {
    kind: "table",
    title: `${shape[0] ?? 0} rows × ${shape[1] ?? names.length} columns`,
    columns: names.map((name) => `${name} ${word(dtypes[name])}`),
    rows,
    more: first.length < (shape[0] ?? 0) || names.length < (shape[1] ?? 0),
  };
}

/** How files begin, in base64. */
const BEGINNINGS: [string, string, boolean][] = [
  ["iVBORw0KGg", "image/png", true],
  ["/9j/", "image/jpeg", true],
  ["R0lGOD", "image/gif", true],
  ["UklGR", "image/webp", true],
  ["JVBERi0", "application/pdf", false],
  ["UEsDB", "application/zip", false],
  ["H4sI", "application/gzip", false],
  ["UEFSMQ", "application/vnd.apache.parquet", false],
];

function file(value: JsonObject): Kind | null {
  const { $bytes: base64, $length: length } = value;
  if (typeof base64 !== "string" || typeof length !== "number" || base64.startsWith("[")) return null;
  const [, type, image] = BEGINNINGS.find(([begin]) => base64.startsWith(begin)) ?? ["", "", false];
  // RIFF is sound as well.
  const known = type !== "image/webp" || atHand(base64, 8, 12) === "WEBP";
  const whole = Math.floor((base64.replace(/=+$/, "").length * 3) / 4) >= length;
  return {
    kind: "file",
    type: known && type ? type : "bytes",
    image: image && known && whole,
    base64,
    bytes: length,
    whole,
  };
}

function atHand(base64: string, from: number, to: number): string {
  try {
    return atob(base64.slice(0, 24)).slice(from, to);
  } catch {
    return "";
  }
}

/** An image that was put into a text, as browsers and chat models do. */
export function imageOf(text: string): string | null {
  return /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$/.test(text) ? text : null;
}

const SIGNS = [/^#{1,6} \S/m, /^\s*[-*] \S/m, /^\s*\d+\. \S/m, /\*\*\S[^*]*\*\*/, /^```/m, /`[^`\n]+`/, /^> \S/m];

/** Whether a text of several lines is Markdown: two of its signs, or a block of code. */
export function isMarkdown(text: string): boolean {
  if (!text.includes("\n")) return false;
  return /^```/m.test(text) || SIGNS.filter((sign) => sign.test(text)).length >= 2;
}
