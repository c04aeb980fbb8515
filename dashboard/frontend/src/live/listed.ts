/** The runs of the list that was looked at last, in its order: the run page steps through them. */
import { makeCell } from "../lib/cell";

export const listed = makeCell<readonly string[]>([]);

/** The run next to one in that list; null where there is none. */
export function nextTo(id: string, by: -1 | 1): string | null {
  const ids = listed.get();
  const at = ids.indexOf(id);
  return at < 0 ? null : (ids[at + by] ?? null);
}
