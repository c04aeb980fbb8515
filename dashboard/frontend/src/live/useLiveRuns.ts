/** The run list, loaded in pages and kept true by its stream. */
import { type InfiniteData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { facetsQuery, fetchRunPage, PAGE_SIZE, runsQuery } from "../api/queries";
import type { ListSnapshot, RunRow } from "../api/wire";
import { filterToParams, filterToQuery, type RunFilter } from "../lib/filter";
import { useThrottle } from "../lib/useThrottle";
import { LiveList, type RunPage } from "./list";
import { tick } from "./order";
import { follow } from "./share";
import { runs as store } from "./store";
import type { Message } from "./stream";

type Pages = InfiniteData<RunPage, string | null>;

/** Events are drawn in batches. */
const BATCH_MS = 120;
/** Counts are not in the stream: they are read again soon after something happened, then now and then while it continues. */
const FACETS_SOON_MS = 400;
const FACETS_MS = 10_000;
/** What was heard is laid over the pages at each drawing: beyond so much, pages are read again instead. */
const MOST_HEARD = 2000;

const MOST_LISTS = 20;
/** By filter; the stream of one that was left a moment ago continues from where it was. */
const lists = new Map<string, LiveList>();

function listOf(key: string): LiveList {
  const known = lists.get(key) ?? new LiveList(store);
  lists.delete(key);
  lists.set(key, known);
  if (lists.size > MOST_LISTS) for (const oldest of lists.keys()) return (lists.delete(oldest), known);
  return known;
}

/** For tests: as if the page had been loaded again. */
export function forgetLists(): void {
  lists.clear();
}

export type LiveRuns = ReturnType<typeof useLiveRuns>;

export function useLiveRuns(filter: RunFilter) {
  const client = useQueryClient();
  const options = runsQuery(filter);
  const query = useInfiniteQuery(options);
  const key = filterToParams(filter).toString();
  const list = useMemo(() => listOf(key), [key]);
  const atTop = useRef(true);
  const version = useSyncExternalStore(store.subscribe, store.version);

  const shownNow = (): RunRow[] => list.rows(client.getQueryData<Pages>(options.queryKey)?.pages ?? []);

  const announce = useThrottle(() => store.announce(), BATCH_MS);
  const refreshFacets = useThrottle(
    () => void client.invalidateQueries({ queryKey: facetsQuery(filter).queryKey }),
    FACETS_MS,
    FACETS_SOON_MS,
  );

  /** Read from the first page on; what was loaded beyond it is dropped, and comes again when it is scrolled to. */
  const startOver = (): void => {
    client.setQueryData<Pages>(options.queryKey, (old) =>
      old ? { pages: old.pages.slice(0, 1), pageParams: old.pageParams.slice(0, 1) } : old,
    );
    void client.refetchQueries({ queryKey: options.queryKey });
  };

  const readNewest = async (): Promise<void> => {
    const head = await fetchRunPage(filter, null);
    const newest = { rows: head.rows, at: head.asked, fromTop: true, isWhole: head.next === null };
    const heard = list.hearNewest(newest, shownNow());
    store.announce();
    if (heard === "gap") startOver();
  };

  useEffect(
    () =>
      follow<ListSnapshot>(
        { path: "/stream", name: key, query: { ...filterToQuery(filter, Date.now()), limit: PAGE_SIZE } },
        {
          onLook: async () => {
            refreshFacets();
            await readNewest();
          },
          onMessage: (message: Message<ListSnapshot>) => {
            if (message.type === "snapshot") {
              refreshFacets(); // what they missed before it is not known
              const newest = { rows: message.runs, at: tick(), fromTop: false, isWhole: false };
              const heard = list.hearNewest(newest, shownNow());
              if (heard === "gap") startOver();
              else if (heard === "unsure") void readNewest().catch(() => undefined);
            } else if (message.run && (message.type === "changed" || message.type.startsWith("run."))) {
              list.hear(message.run, message.left === true, tick());
              refreshFacets();
              if (list.size > MOST_HEARD && atTop.current) startOver();
            }
            announce();
          },
        },
      ),
    // The key stands for the filter.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [key],
  );

  const { data, isPlaceholderData } = query;
  useEffect(() => {
    if (data && !isPlaceholderData) list.prune(data.pages);
  }, [data, isPlaceholderData, list]);

  const rows = useMemo<RunRow[]>(
    () => (isPlaceholderData ? (data?.pages.flatMap((page) => page.rows) ?? []) : list.rows(data?.pages ?? [])),
    // What the store has changed without its identity changing.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [data, isPlaceholderData, list, version],
  );

  const setAtTop = useCallback((is: boolean): void => {
    atTop.current = is;
  }, []);
  const last = query.data?.pages.at(-1);
  return { ...query, rows, scannedTo: last?.scannedTo ?? null, isShort: last?.short ?? false, setAtTop };
}
