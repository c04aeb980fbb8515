/** JSON as text: numbers keep every digit that was typed or sent. A browser's own would round 2^60 and make 1.0 an 1. Pure. */

/** A value as the JSON text that says it, to be sent as it stands. */
export class ExactJson {
  constructor(readonly text: string) {}
}

export const NULL = new ExactJson("null");

/** A request's body. Members that are ``ExactJson`` are written as they were typed. */
export function bodyText(body: unknown): string {
  if (body instanceof ExactJson) return body.text;
  if (typeof body !== "object" || body === null || Array.isArray(body)) return JSON.stringify(body);
  const members = Object.entries(body).filter(([, value]) => value !== undefined);
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${bodyText(value)}`).join(",")}}`;
}

const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g;
const INDENT = "  ";

/** JSON in lines, every string and number as it was. */
export function indented(text: string): string {
  let out = "";
  let depth = 0;
  let previous = "";
  const line = (): string => `\n${INDENT.repeat(depth)}`;
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === "}" || token === "]") {
      depth -= 1;
      out += previous === "{" || previous === "[" ? token : line() + token;
    } else {
      if (previous === "{" || previous === "[" || previous === ",") out += line();
      out += token === ":" ? ": " : token;
      if (token === "{" || token === "[") depth += 1;
    }
    previous = token;
  }
  return out;
}
