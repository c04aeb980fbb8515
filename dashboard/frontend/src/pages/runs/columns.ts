/** Which columns the run list has, in which order, and how close its rows stand: kept in this browser. */
import { keptCell } from "../../lib/kept";

/** Every column but the workflow's and the tick's, which are always there: its head and its width. */
export const COLUMNS = {
  status: { label: "Status", width: "100px" },
  note: { label: "Detail", width: "minmax(160px, 2.4fr)" },
  queue: { label: "Queue", width: "minmax(70px, 0.5fr)" },
  version: { label: "Version", width: "minmax(70px, 0.5fr)" },
  executor: { label: "Executor", width: "minmax(70px, 0.5fr)" },
  strip: { label: "Time", width: "minmax(80px, 0.6fr)" },
  duration: { label: "Duration", width: "84px" },
  created: { label: "Created", width: "72px" },
} as const;
export type FixedColumn = keyof typeof COLUMNS;
/** One of these, or an attribute: "attr:customer". */
export type Column = FixedColumn | `attr:${string}`;

export const DENSITIES = ["comfortable", "compact"] as const;
export type Density = (typeof DENSITIES)[number];

export interface Layout {
  columns: readonly Column[];
  density: Density;
}

export const DEFAULT_LAYOUT: Layout = {
  columns: ["status", "note", "queue", "strip", "duration", "created"],
  density: "comfortable",
};
/** A narrow screen places these itself. */
export const NARROW_COLUMNS: readonly Column[] = ["status", "note", "duration", "created"];
/** Without room for all, these go first. */
const FIRST_TO_GO: ReadonlySet<Column> = new Set(["queue", "version", "executor"]);
const MOST_COLUMNS = 16;

export const isFixed = (column: Column): column is FixedColumn => column in COLUMNS;
const isColumn = (value: unknown): value is Column =>
  typeof value === "string" && (value in COLUMNS || /^attr:./.test(value));

export const layout = keptCell<Layout>("durable.runs", DEFAULT_LAYOUT, (kept) => {
  if (typeof kept !== "object" || kept === null) return null;
  const { columns, density } = kept as Partial<Record<keyof Layout, unknown>>;
  return {
    columns: Array.isArray(columns)
      ? [...new Set(columns.filter(isColumn))].slice(0, MOST_COLUMNS)
      : DEFAULT_LAYOUT.columns,
    density: DENSITIES.find((known) => known === density) ?? DEFAULT_LAYOUT.density,
  };
});

export const labelOf = (column: Column): string => (isFixed(column) ? COLUMNS[column].label : column.slice(5));

export const isNumber = (column: Column): boolean => column === "duration" || column === "created";

/** What there is room for. */
export function shown(columns: readonly Column[], narrow: boolean, wide: boolean): readonly Column[] {
  if (narrow) return NARROW_COLUMNS;
  return wide ? columns : columns.filter((column) => !FIRST_TO_GO.has(column));
}

/** The widths of the grid: the tick, the status, the workflow, the rest. */
export function gridOf(columns: readonly Column[]): string {
  const width = (column: Column): string => (isFixed(column) ? COLUMNS[column].width : "minmax(70px, 0.6fr)");
  return ["18px", ...before(columns).map(width), "minmax(200px, 1.3fr)", ...after(columns).map(width)].join(" ");
}

/** The status stands before the workflow where it is the first; all else behind it. */
export const before = (columns: readonly Column[]): readonly Column[] =>
  columns[0] === "status" ? columns.slice(0, 1) : [];
export const after = (columns: readonly Column[]): readonly Column[] =>
  columns[0] === "status" ? columns.slice(1) : columns;

/** One column a place earlier (-1) or later (1). */
export function moved(columns: readonly Column[], column: Column, by: -1 | 1): readonly Column[] {
  const at = columns.indexOf(column);
  const to = at + by;
  if (at < 0 || to < 0 || to >= columns.length) return columns;
  const next = columns.filter((one) => one !== column);
  next.splice(to, 0, column);
  return next;
}
