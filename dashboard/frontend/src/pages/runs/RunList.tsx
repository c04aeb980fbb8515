import {
  type CSSProperties,
  type ReactNode,
  type Ref,
  useEffect,
  useImperativeHandle,
  useMemo,
  useRef,
  useState,
} from "react";
import type { RunRow } from "../../api/wire";
import { useCell } from "../../lib/cell";
import { countAbove } from "../../live/list";
import type { LiveRuns } from "../../live/useLiveRuns";
import { useScrollMemory } from "../../shell/router";
import { NARROW, useMedia, WIDE } from "../../ui/media";
import { useWindow } from "../../ui/useWindow";
import { after, before, type Column, type Density, gridOf, isNumber, labelOf, layout, shown } from "./columns";
import { RunRowView } from "./RunRowView";
import type { Ticks } from "./useTicks";

const ROW_PX: Record<Density, number> = { comfortable: 38, compact: 28 };
const NARROW_ROW_PX: Record<Density, number> = { comfortable: 60, compact: 50 };
/** Read the next page while so many rows are still ahead. */
const AHEAD = 20;
const TOP_PX = 8;

export interface RunListHandle {
  /** The run next to one, or the first; null in an empty list. */
  neighbour: (id: string | null, by: number) => string | null;
  focus: (id: string) => void;
}

interface Props {
  runs: LiveRuns;
  current: string | null;
  ticks: Ticks;
  ref: Ref<RunListHandle>;
  /** What stands below the rows. */
  children: ReactNode;
}

function longest(rows: RunRow[]): number {
  let most = 1000;
  for (const row of rows) most = Math.max(most, (row.durationMs ?? 0) + (row.queueMs ?? 0));
  return most;
}

function Head({ column }: { column: Column }) {
  return <span className={isNumber(column) ? "num" : "cell-text"}>{labelOf(column)}</span>;
}

/** The rows near the eye, of a list that may be long and that grows at its top. */
export function RunList({ runs, current, ticks, ref, children }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  useScrollMemory(scroller, "runs");
  const narrow = useMedia(NARROW);
  const wide = useMedia(WIDE);
  const { columns: chosen, density } = useCell(layout);
  const columns = useMemo(() => shown(chosen, narrow, wide), [chosen, narrow, wide]);
  const rowPx = (narrow ? NARROW_ROW_PX : ROW_PX)[density];
  const [anchor, setAnchor] = useState<RunRow | null>(null);
  const above = countAbove(runs.rows, anchor);
  const rows = useMemo(() => (above > 0 ? runs.rows.slice(above) : runs.rows), [runs.rows, above]);
  const scale = useMemo(() => longest(rows), [rows]);
  const { from, to, height, show } = useWindow(scroller, rows.length, rowPx);

  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage, isShort } = runs;
  const wantsMore =
    hasNextPage && !isFetchingNextPage && !isFetchNextPageError && !isShort && to >= rows.length - AHEAD;
  useEffect(() => {
    if (wantsMore) void fetchNextPage();
  }, [wantsMore, fetchNextPage]);

  // While the reader is down the list, runs that arrive wait above.
  const onScroll = (): void => {
    const top = scroller.current?.scrollTop ?? 0;
    runs.setAtTop(top < TOP_PX);
    if (top < TOP_PX) setAnchor(null);
    else if (anchor === null) setAnchor(runs.rows[0] ?? null);
  };
  const showNew = (): void => {
    setAnchor(null);
    scroller.current?.scrollTo({ top: 0 });
  };

  // The cursor is the focus: Enter, a screen reader and the browser's own outline follow it. A row far away is drawn first.
  const toFocus = useRef<string | null>(null);
  useEffect(() => {
    const id = toFocus.current;
    if (id === null) return;
    const link = scroller.current?.querySelector<HTMLElement>(`[data-run="${CSS.escape(id)}"] [data-row-link]`);
    if (!link) return;
    toFocus.current = null;
    link.focus({ preventScroll: true });
  });
  useImperativeHandle(
    ref,
    () => ({
      neighbour: (id, by) => {
        const at = rows.findIndex((row) => row.id === id);
        const index = at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by));
        return rows[index]?.id ?? null;
      },
      focus: (id) => {
        toFocus.current = id;
        show(rows.findIndex((row) => row.id === id));
      },
    }),
    [rows, show],
  );
  const { toggle } = ticks;
  const onToggle = useMemo(() => {
    const order = rows.map((row) => row.id);
    return (id: string, shift: boolean) => toggle(id, shift ? order : undefined);
  }, [rows, toggle]);

  return (
    <div className="runs-body" data-density={density} style={{ "--columns": gridOf(columns) } as CSSProperties}>
      {above > 0 ? (
        <button type="button" className="new-runs" onClick={showNew}>
          {above === 1 ? "1 new run" : `${above} new runs`}
        </button>
      ) : null}
      <div className="runs-columns" aria-hidden="true">
        <span />
        {before(columns).map((column) => (
          <Head key={column} column={column} />
        ))}
        <span>Workflow</span>
        {after(columns).map((column) => (
          <Head key={column} column={column} />
        ))}
      </div>
      <div className="runs-scroll" ref={scroller} onScroll={onScroll} tabIndex={-1}>
        <div
          className="runs-canvas"
          role={rows.length > 0 ? "grid" : undefined}
          aria-label="Runs"
          aria-rowcount={hasNextPage ? -1 : rows.length}
          aria-busy={runs.isFetching}
          style={{ height: `${height}px` }}
          data-stale={runs.isPlaceholderData || undefined}
        >
          {rows.slice(from, to).map((row, index) => (
            <RunRowView
              key={row.id}
              row={row}
              index={from + index}
              top={(from + index) * rowPx}
              height={rowPx}
              scaleMs={scale}
              selected={ticks.selected.has(row.id)}
              current={row.id === current}
              columns={columns}
              onToggle={onToggle}
            />
          ))}
        </div>
        {children}
      </div>
    </div>
  );
}
