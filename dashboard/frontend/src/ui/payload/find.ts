/** Finding in a payload, and naming its places. Pure. */
import type { Json } from "../../api/wire";
import { isObject } from "./kinds";

/** ``$.items[3]["first name"]``, as JSONPath and most languages write it. */
export function pathTo(path: string, key: string, inList: boolean): string {
  if (inList) return `${path}[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

/** The paths whose key or value holds the text, in either case; at most ``most`` of them. */
export function find(value: Json, text: string, most = 200): string[] {
  const sought = text.toLowerCase();
  const found: string[] = [];
  const open: [string, string, Json][] = [["$", "", value]];
  while (open.length > 0 && found.length < most) {
    const [path, key, at] = open.pop() as [string, string, Json];
    const leaf = typeof at !== "object" || at === null;
    if (key.toLowerCase().includes(sought) || (leaf && String(at).toLowerCase().includes(sought))) found.push(path);
    if (leaf) continue;
    const entries = Array.isArray(at) ? at.map((item, index) => [String(index), item] as const) : Object.entries(at);
    for (const [name, item] of entries.reverse())
      open.push([pathTo(path, name, Array.isArray(at)), Array.isArray(at) ? "" : name, item]);
  }
  return found;
}

/** How many members a payload has, counted up to ``most``. */
export function countOf(value: Json, most: number): number {
  let count = 0;
  const open: Json[] = [value];
  while (open.length > 0 && count < most) {
    const at = open.pop() as Json;
    count += 1;
    if (Array.isArray(at)) open.push(...at.slice(0, most));
    else if (isObject(at)) open.push(...Object.values(at).slice(0, most));
  }
  return count;
}
