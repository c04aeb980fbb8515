import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { facetsQuery } from "../../api/queries";
import type { RunRow } from "../../api/wire";
import { config } from "../../config";
import { filterFromParams, filterToParams, isEmptyFilter, type RunFilter } from "../../lib/filter";
import { countAbove } from "../../live/merge";
import { formatCount } from "../../lib/time";
import { navigate, runPath, useLocation } from "../../shell/router";
import { useKeys } from "../../shell/keys";
import { Clock } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import { Empty, Failure, Skeleton } from "../../ui/Notice";
import { NARROW, useMedia } from "../../ui/media";
import { BulkBar } from "../../features/bulk/BulkBar";
import { StartDialog } from "../../features/start/StartDialog";
import { FilterBar } from "./FilterBar";
import { RunRowView } from "./RunRowView";
import { StatusChips } from "./StatusChips";
import { useLiveRuns } from "../../live/useLiveRuns";
import "./runs.css";

const ROW_PX = 38;
const NARROW_ROW_PX = 80;

function scaleOf(rows: RunRow[]): number {
  let most = 1000;
  for (const row of rows) most = Math.max(most, (row.durationMs ?? 0) + (row.queueMs ?? 0));
  return most;
}

/** All runs: filter, watch, select, open. */
export function RunListPage() {
  const { search } = useLocation();
  const filter = useMemo(() => filterFromParams(new URLSearchParams(search)), [search]);
  const setFilter = useCallback((next: RunFilter) => {
    const params = filterToParams(next);
    navigate(params.size ? `/?${params}` : "/", { replace: true });
  }, []);
  const runs = useLiveRuns(filter);
  const facets = useQuery(facetsQuery(filter));
  const narrow = useMedia(NARROW);
  const scroller = useRef<HTMLDivElement>(null);
  const searchBox = useRef<HTMLInputElement>(null);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [cursor, setCursor] = useState<string | null>(null);
  const [starting, setStarting] = useState(false);
  const viewer = config.role === "viewer";
  const [anchor, setAnchor] = useState<RunRow | null>(null);
  // Ticks, the cursor and the place in the list belong to the filter they were made under.
  const [shownFilter, setShownFilter] = useState(filter);
  if (shownFilter !== filter) {
    setShownFilter(filter);
    setSelected(new Set());
    setCursor(null);
    setAnchor(null);
  }

  const above = countAbove(runs.rows, anchor);
  const rows = above > 0 ? runs.rows.slice(above) : runs.rows;
  const scale = useMemo(() => scaleOf(runs.rows), [runs.rows]);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (narrow ? NARROW_ROW_PX : ROW_PX),
    overscan: 12,
    getItemKey: (index) => rows[index]?.id ?? index,
  });
  useEffect(() => virtual.measure(), [narrow, virtual]);

  const items = virtual.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = runs;
  const stoppedEarly = runs.isShort && hasNextPage;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && !isFetchNextPageError && !stoppedEarly && lastShown >= rows.length - 20)
      void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, isFetchNextPageError, stoppedEarly, lastShown, rows.length, fetchNextPage]);

  // While the reader is down the list, runs that arrive wait above.
  const onScroll = (): void => {
    const top = scroller.current?.scrollTop ?? 0;
    if (top < 8) setAnchor(null);
    else if (anchor === null) setAnchor(runs.rows[0] ?? null);
  };
  const showNew = (): void => {
    setAnchor(null);
    scroller.current?.scrollTo({ top: 0 });
  };

  const toFocus = useRef<string | null>(null);
  const step = (by: number): boolean => {
    if (rows.length === 0) return false;
    const at = rows.findIndex((row) => row.id === cursor);
    const index = Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by));
    toFocus.current = rows[index]?.id ?? null;
    setCursor(toFocus.current);
    virtual.scrollToIndex(index);
    return true;
  };
  // The cursor is the focus: Enter, a screen reader and the browser's own outline follow it. A row far away is drawn first.
  useEffect(() => {
    const id = toFocus.current;
    const link =
      id === null
        ? null
        : scroller.current?.querySelector<HTMLElement>(`[data-run="${CSS.escape(id)}"] [data-row-link]`);
    if (!link) return;
    toFocus.current = null;
    link.focus({ preventScroll: true });
  });
  const open = (): boolean => {
    if (cursor === null) return false;
    navigate(runPath(cursor));
    return true;
  };
  const toggle = useCallback((id: string) => {
    setSelected((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);
  useKeys({
    "/": () => searchBox.current?.focus(),
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: open,
    o: open,
    x: () => {
      if (cursor === null) return false;
      toggle(cursor);
      return true;
    },
    Escape: () => {
      if (selected.size > 0) setSelected(new Set());
      else if (cursor !== null) setCursor(null);
      else return false;
      return true;
    },
  });

  return (
    <div className="page runs-page">
      <h1 className="sr-only">Runs</h1>
      <div className="runs-head">
        <div className="runs-top">
          <StatusChips facets={facets.data} filter={filter} onChange={setFilter} />
          <Button
            icon="plus"
            aria-label="Start a run"
            disabled={viewer}
            title={viewer ? "Starting runs needs the operator role." : undefined}
            onClick={() => setStarting(true)}
          >
            Start a run
          </Button>
        </div>
        <FilterBar ref={searchBox} filter={filter} rows={runs.rows} facets={facets.data} onChange={setFilter} />
      </div>
      <div className="runs-body">
        {above > 0 ? (
          <button type="button" className="new-runs" onClick={showNew}>
            {above === 1 ? "1 new run" : `${above} new runs`}
          </button>
        ) : null}
        <div className="runs-columns" aria-hidden="true">
          <span />
          <span>Status</span>
          <span>Workflow</span>
          <span>Detail</span>
          <span>Queue</span>
          <span>Time</span>
          <span className="num">Duration</span>
          <span className="num">Created</span>
        </div>
        <div className="runs-scroll" ref={scroller} onScroll={onScroll} tabIndex={-1}>
          {runs.isPending ? (
            <div className="pad">
              <Skeleton rows={12} />
            </div>
          ) : null}
          {runs.isError && rows.length === 0 ? (
            <Failure what="The runs" error={runs.error} onRetry={() => void runs.refetch()} />
          ) : null}
          {runs.isSuccess && rows.length === 0 && !stoppedEarly ? (
            <NoRuns filter={filter} onClear={() => navigate("/")} />
          ) : null}
          <div
            className="runs-canvas"
            role={rows.length > 0 ? "grid" : undefined}
            aria-label="Runs"
            aria-rowcount={hasNextPage ? -1 : rows.length}
            aria-busy={runs.isFetching}
            style={{ height: `${virtual.getTotalSize()}px` }}
            data-stale={runs.isPlaceholderData || undefined}
          >
            {items.map((item) => {
              const row = rows[item.index];
              return row ? (
                <RunRowView
                  key={row.id}
                  row={row}
                  index={item.index}
                  top={item.start}
                  height={item.size}
                  scaleMs={scale}
                  selected={selected.has(row.id)}
                  current={row.id === cursor}
                  onToggle={toggle}
                />
              ) : null;
            })}
          </div>
          <div className="runs-foot">
            {isFetchingNextPage ? "Loading older runs…" : null}
            {isFetchNextPageError ? (
              <Button icon="retry" onClick={() => void fetchNextPage()}>
                Older runs could not be loaded. Try again
              </Button>
            ) : null}
            {stoppedEarly && !isFetchingNextPage ? (
              <>
                {runs.scannedTo ? (
                  <span>
                    Searched back to <Clock at={runs.scannedTo} />.
                  </span>
                ) : (
                  "This filter is rare: only a part of the history was searched."
                )}
                <Button onClick={() => void fetchNextPage()}>Search further back</Button>
              </>
            ) : null}
            {runs.isSuccess && rows.length > 0 && !hasNextPage
              ? `${formatCount(rows.length)} ${rows.length === 1 ? "run" : "runs"}, all shown`
              : null}
          </div>
        </div>
      </div>
      <BulkBar
        filter={filter}
        selected={selected}
        rows={runs.rows}
        facets={facets.data}
        onClear={() => setSelected(new Set())}
      />
      {starting ? <StartDialog onClose={() => setStarting(false)} /> : null}
    </div>
  );
}

function NoRuns({ filter, onClear }: { filter: RunFilter; onClear: () => void }) {
  if (isEmptyFilter(filter)) {
    return (
      <Empty title="No runs yet" icon="play">
        Start a workflow in your app, or enqueue one; it appears here within a moment. This page reads the same database
        that DBOS writes.
      </Empty>
    );
  }
  return (
    <Empty title="No run matches this filter">
      <p>Take a condition away, or look further back in time.</p>
      <Button onClick={onClear}>Clear the filter</Button>
    </Empty>
  );
}
