/** The run list, loaded in pages and kept true by the stream. */
import { type InfiniteData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef } from "react";
import { facetsQuery, fetchRunPage, runsQuery } from "../api/queries";
import { type Change, type Message, openStream } from "./stream";
import type { ListSnapshot, RunRow } from "../api/wire";
import { filterToParams, filterToQuery, type RunFilter } from "../lib/filter";
import { mergeEvents, mergeHead, type RunPage } from "./merge";
import { setLive, setStreamProblem } from "./state";

type Pages = InfiniteData<RunPage, string | null>;

const BATCH_MS = 120;
const HEAD_MS = 1500;
const FACETS_MS = 1500;

/** Run ``work`` now, then at most once per interval while asked again. */
function useThrottle(work: () => void, everyMs: number): () => void {
  const latest = useRef(work);
  useLayoutEffect(() => {
    latest.current = work;
  });
  const state = useRef<{ timer: number | undefined; last: number }>({ timer: undefined, last: 0 });
  useEffect(() => () => window.clearTimeout(state.current.timer), []);
  return useCallback(() => {
    if (state.current.timer !== undefined) return;
    const wait = Math.max(0, state.current.last + everyMs - Date.now());
    state.current.timer = window.setTimeout(() => {
      state.current.timer = undefined;
      state.current.last = Date.now();
      latest.current();
    }, wait);
  }, [everyMs]);
}

export type LiveRuns = ReturnType<typeof useLiveRuns>;

export function useLiveRuns(filter: RunFilter) {
  const client = useQueryClient();
  const options = runsQuery(filter);
  const query = useInfiniteQuery(options);
  const key = filterToParams(filter).toString();
  const queue = useRef<Change[]>([]);

  const refreshHead = useThrottle(() => {
    const pages = client.getQueryData<Pages>(options.queryKey);
    if (!pages) return;
    fetchRunPage(filter, null).then(
      (head) => {
        client.setQueryData<Pages>(options.queryKey, (old) => {
          if (!old) return old;
          const merged = mergeHead(old.pages, head);
          return { pages: merged, pageParams: merged.map((_, index) => old.pageParams[index] ?? null) };
        });
      },
      () => undefined,
    );
  }, HEAD_MS);

  const refreshFacets = useThrottle(() => {
    void client.invalidateQueries({ queryKey: facetsQuery(filter).queryKey });
  }, FACETS_MS);

  const flush = useThrottle(() => {
    const events = queue.current;
    queue.current = [];
    client.setQueryData<Pages>(options.queryKey, (old) =>
      old ? { ...old, pages: mergeEvents(old.pages, events, filter.status) } : old,
    );
  }, BATCH_MS);

  useEffect(() => {
    queue.current = [];
    return openStream<ListSnapshot>("/stream", () => filterToQuery(filter, Date.now()), {
      onState: setLive,
      onProblem: setStreamProblem,
      onPoll: () => {
        refreshHead();
        refreshFacets();
      },
      onMessage: (message: Message<ListSnapshot>) => {
        if (message.type === "snapshot") {
          refreshHead();
          refreshFacets();
          return;
        }
        if (message.type !== "changed" && !message.type.startsWith("run.")) return;
        queue.current.push(message);
        flush();
        refreshHead();
        refreshFacets();
      },
    });
    // The key stands for the filter.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key]);

  const rows = useMemo<RunRow[]>(() => {
    const seen = new Set<string>();
    const all: RunRow[] = [];
    for (const page of query.data?.pages ?? []) {
      for (const row of page.rows) {
        if (seen.has(row.id)) continue;
        seen.add(row.id);
        all.push(row);
      }
    }
    return all;
  }, [query.data]);

  const last = query.data?.pages.at(-1);
  return { ...query, rows, scannedTo: last?.scannedTo ?? null, isShort: last?.short ?? false };
}
