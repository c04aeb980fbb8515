import { useQuery } from "@tanstack/react-query";
import { Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { facetsQuery } from "../../api/queries";
import { BulkBar } from "../../features/bulk/BulkBar";
import { openBulk } from "../../features/bulk/openBulk";
import { VERB } from "../../features/bulk/words";
import { EMPTY_FILTER, filterFromParams, filterToParams, isEmptyFilter, type RunFilter } from "../../lib/filter";
import type { TimeRange } from "../../lib/range";
import { listed } from "../../live/listed";
import { useLiveRuns } from "../../live/useLiveRuns";
import { whyReadOnly } from "../../shell/access";
import { Boundary } from "../../shell/Boundary";
import { type Command, useCommands } from "../../shell/commands";
import { links } from "../../shell/links";
import { lazyPart } from "../../shell/lazyPart";
import { openOverlay } from "../../shell/overlay";
import { navigate, useLocation } from "../../shell/router";
import { Button } from "../../ui/Button";
import { CommandButton } from "../../ui/CommandButton";
import { Empty, Failure, Skeleton } from "../../ui/Notice";
import { Stale } from "../../ui/QueryView";
import { FilterBar } from "./FilterBar";
import { RunList, type RunListHandle } from "./RunList";
import { SearchFoot } from "./SearchFoot";
import { StatusChips } from "./StatusChips";
import { useTicks } from "./useTicks";
import "./runs.css";

const StartDialog = lazyPart(
  () => import("../../features/start/StartDialog"),
  (module) => module.StartDialog,
);
const ActivityBand = lazyPart(
  () => import("../../features/activity/ActivityBand"),
  (module) => module.ActivityBand,
);
const ListTools = lazyPart(
  () => import("./ListTools"),
  (module) => module.ListTools,
);

const BULK_KEYS = [
  { action: "retry", key: "r" },
  { action: "cancel", key: "c" },
] as const;

function openStart(): void {
  openOverlay(
    <Suspense>
      <StartDialog.Part />
    </Suspense>,
  );
}

/** All runs: filter, watch, select, open. */
export function RunListPage() {
  const { search } = useLocation();
  const filter = useMemo(() => filterFromParams(new URLSearchParams(search)), [search]);
  const filterKey = filterToParams(filter).toString();
  const setFilter = useCallback((next: RunFilter) => navigate(links.runs(next), { replace: true }), []);
  const setRange = (range: TimeRange): void => setFilter({ ...filter, ...range });
  const runs = useLiveRuns(filter);
  const facets = useQuery(facetsQuery(filter));
  const searchBox = useRef<HTMLInputElement>(null);
  const list = useRef<RunListHandle>(null);
  const ticks = useTicks(filterKey);
  const [cursor, setCursor] = useState<string | null>(null);
  // A filter that still shows the run keeps the cursor on it: a key pressed while the filter takes effect is not lost.
  const current = useMemo(() => runs.rows.find((row) => row.id === cursor)?.id ?? null, [runs.rows, cursor]);

  const attributes = useMemo(
    () => [...new Set(runs.rows.flatMap((row) => Object.keys(row.searchAttributes)))].sort(),
    [runs.rows],
  );

  useEffect(() => listed.set(runs.rows.map((row) => row.id)), [runs.rows]);

  const step = (by: number): boolean => {
    const id = list.current?.neighbour(current, by) ?? null;
    if (id === null) return false;
    setCursor(id);
    list.current?.focus(id);
    return true;
  };
  const withCurrent = (work: (id: string) => void) => (): boolean => {
    if (current !== null) work(current);
    return current !== null;
  };
  const start: Command = {
    id: "runs.start",
    label: "Start a run",
    icon: "plus",
    disabled: whyReadOnly(),
    run: openStart,
  };
  useCommands("Run list", [
    { id: "runs.search", label: "Search", icon: "search", keys: ["/"], run: () => searchBox.current?.focus() },
    { id: "runs.next", label: "Next run", keys: ["j", "ArrowDown"], keysOnly: true, run: () => step(1) },
    { id: "runs.previous", label: "Previous run", keys: ["k", "ArrowUp"], keysOnly: true, run: () => step(-1) },
    {
      id: "runs.open",
      label: "Open the run",
      keys: ["Enter", "o"],
      keysOnly: true,
      run: withCurrent((id) => navigate(links.run(id))),
    },
    {
      id: "runs.tick",
      label: "Select the run",
      keys: ["x"],
      keysOnly: true,
      run: withCurrent((id) => ticks.toggle(id)),
    },
    ...BULK_KEYS.map(({ action, key }) => ({
      id: `runs.${action}`,
      label: `${VERB[action]} the selected runs, or the one at the cursor…`,
      keys: [key],
      keysOnly: true,
      disabled: whyReadOnly(),
      run: () => {
        const ids = ticks.selected.size > 0 ? [...ticks.selected] : current === null ? [] : [current];
        if (ids.length > 0) openBulk({ action, filter: EMPTY_FILTER, ids, onDone: ticks.clear });
        return ids.length > 0;
      },
    })),
    {
      id: "runs.clear",
      label: "Clear the selection",
      keys: ["Escape"],
      keysOnly: true,
      run: () => {
        if (ticks.selected.size > 0) ticks.clear();
        else if (current !== null) setCursor(null);
        else return false;
        return true;
      },
    },
    start,
  ]);

  const nothing = runs.rows.length === 0;
  return (
    <div className="page runs-page">
      <h1 className="sr-only">Runs</h1>
      <div className="runs-head">
        <div className="runs-top">
          <StatusChips facets={facets.data} filter={filter} onChange={setFilter} />
          <Boundary what="The saved views" quiet>
            <Suspense>
              <ListTools.Part filter={filter} attributes={attributes} />
            </Suspense>
          </Boundary>
          <CommandButton command={start} aria-label={start.label} />
        </div>
        <Boundary what="Runs over time">
          <Suspense fallback={<div className="band-place" />}>
            <ActivityBand.Part filter={filter} onRange={setRange} />
          </Suspense>
        </Boundary>
        <FilterBar ref={searchBox} filter={filter} rows={runs.rows} facets={facets.data} onChange={setFilter} />
      </div>
      {runs.error && !nothing ? <Stale at={runs.dataUpdatedAt} error={runs.error} /> : null}
      <RunList key={filterKey} ref={list} runs={runs} current={current} ticks={ticks}>
        {runs.isPending ? (
          <div className="pad">
            <Skeleton rows={12} />
          </div>
        ) : null}
        {runs.isError && nothing ? (
          <Failure what="The runs" error={runs.error} onRetry={() => void runs.refetch()} />
        ) : null}
        {runs.isSuccess && nothing && !runs.hasNextPage ? <NoRuns filter={filter} /> : null}
        <SearchFoot runs={runs} />
      </RunList>
      <BulkBar filter={filter} selected={ticks.selected} rows={runs.rows} facets={facets.data} onClear={ticks.clear} />
    </div>
  );
}

function NoRuns({ filter }: { filter: RunFilter }) {
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
      <p>Remove a condition, or look further back in time.</p>
      <Button onClick={() => navigate(links.runs())}>Clear the filter</Button>
    </Empty>
  );
}
