/** Entries of the audit log, as they are shown. Pure. */
import type { AuditEntry } from "../../api/wire";
import { formatExact } from "../../lib/time";

/** So many of one kind in a row are one line: what one person did to many runs at once. */
const FOLDED_FROM = 5;

/** Entries with those of one person, action and outcome that follow each other put together, where they are many. */
export function foldEntries(entries: readonly AuditEntry[]): (AuditEntry | AuditEntry[])[] {
  const rows: AuditEntry[][] = [];
  for (const entry of entries) {
    const before = rows.at(-1)?.at(-1);
    const same =
      before?.actor === entry.actor &&
      before.action === entry.action &&
      before.outcome === entry.outcome &&
      before.runId !== undefined &&
      entry.runId !== undefined;
    if (same) rows.at(-1)?.push(entry);
    else rows.push([entry]);
  }
  return rows.flatMap<AuditEntry | AuditEntry[]>((row) => (row.length >= FOLDED_FROM ? [row] : row));
}

/** "endedAs failed", times as times: what was asked with an action, without the signs of JSON. */
export function paramTexts(params: AuditEntry["params"] | undefined): string[] {
  return Object.entries(params ?? {}).map(([name, value]) => {
    if (/AtMs$/.test(name) && typeof value === "number")
      return `${name.slice(0, -2)} ${formatExact(new Date(value).toISOString())}`;
    return `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`;
  });
}
