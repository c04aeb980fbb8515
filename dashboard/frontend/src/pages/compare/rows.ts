/** Rows of a comparison as they are shown: stretches that are alike fold. Pure. */
import type { ComparedRow } from "../../api/wire";

export type Shown = { row: ComparedRow; at: number } | { alike: ComparedRow[]; at: number };

/** So many rows that are alike, and no fewer, are one line until it is opened; a neighbour on each side stays. */
const FOLD_FROM = 6;
const KEPT = 1;

/** Fold stretches of rows that do not differ. Those that were opened, by the index of their first row, stay open. */
export function foldAlike(rows: readonly ComparedRow[], opened: ReadonlySet<number>): Shown[] {
  const shown: Shown[] = [];
  let at = 0;
  while (at < rows.length) {
    let end = at;
    while (end < rows.length && rows[end]?.differs === false) end += 1;
    const from = at === 0 ? at : at + KEPT;
    const to = end === rows.length ? end : end - KEPT;
    const folds = to - from >= FOLD_FROM && !opened.has(from);
    for (let index = at; index < Math.max(end, at + 1); index += 1) {
      if (folds && index === from) shown.push({ alike: rows.slice(from, to), at: from });
      if (folds && index >= from && index < to) continue;
      const row = rows[index];
      if (row) shown.push({ row, at: index });
    }
    at = Math.max(end, at + 1);
  }
  return shown;
}
