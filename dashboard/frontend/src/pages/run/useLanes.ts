import { useQueries, useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { askedFor, runQuery } from "../../api/queries";
import type { RunDetail } from "../../api/wire";
import { errorText } from "../../lib/errors";
import { runs as store } from "../../live/store";
import { useSearch } from "../../shell/router";
import { say } from "../../ui/toast";
import { type ChildLane, type ChildLanes, LANE_STEPS, MOST_LEVELS, wrongChildren } from "./lanes";
import { MOST_OPEN, runSearch } from "./search";

/** How often an opened child is read while it is under way. */
const OPEN_EVERY_MS = 2000;
const MORE_STEPS = 200;
const NONE: readonly string[] = [];

export interface OpenChildren {
  /** Their ids, in the order in which they were opened. */
  ids: readonly string[];
  lanes: ChildLanes;
  toggle: (id: string) => void;
  more: (id: string) => void;
  /** Open the children that went wrong, and theirs, down to the last that is shown. */
  openWrong: (detail: RunDetail) => Promise<void>;
}

/** Of each answer what is drawn of it; the same array while nothing of that changed. */
const known = (results: UseQueryResult<RunDetail>[]) => results.map(({ data: detail, error }) => ({ detail, error }));

/** The children that are open in place: the address keeps which, the cache what is known of them. */
export function useLanes(): OpenChildren {
  const client = useQueryClient();
  const [{ open }, setSearch] = useSearch(runSearch);
  const ids = open ?? NONE;
  const [limits, setLimits] = useState<ReadonlyMap<string, number>>(new Map());
  const found = useQueries({
    queries: ids.map((id) => ({
      ...runQuery(id),
      refetchInterval: (query: { state: { data?: RunDetail | undefined } }) =>
        query.state.data !== undefined && query.state.data.run.finishedAt === undefined ? OPEN_EVERY_MS : false,
    })),
    combine: known,
  });
  const lanes = useMemo(
    () =>
      new Map<string, ChildLane>(
        ids.map((id, index) => {
          const { detail, error = null } = found[index] ?? {};
          return [id, { detail, error, limit: limits.get(id) ?? LANE_STEPS }];
        }),
      ),
    [ids, limits, found],
  );

  // A child that had ended and was retried: its event says so.
  const version = useSyncExternalStore(store.subscribe, store.version);
  useEffect(() => {
    for (const [id, { detail }] of lanes) {
      const news = store.get(id);
      if (detail && news && news.row.updatedAt > detail.run.updatedAt && news.at > askedFor(id))
        void client.invalidateQueries({ queryKey: runQuery(id).queryKey, exact: true });
    }
  }, [client, lanes, version]);

  const show = useCallback(
    (next: readonly string[]): void => setSearch({ open: next.length > 0 ? next.slice(-MOST_OPEN) : null }),
    [setSearch],
  );
  const toggle = useCallback(
    (id: string): void => show(ids.includes(id) ? ids.filter((entry) => entry !== id) : [...ids, id]),
    [ids, show],
  );
  const openWrong = async (detail: RunDetail): Promise<void> => {
    const opened: string[] = [];
    let level = [detail];
    try {
      for (let depth = 0; depth < MOST_LEVELS && level.length > 0; depth += 1) {
        const below = level.flatMap(wrongChildren).filter((id) => !opened.includes(id));
        const next = below.slice(0, MOST_OPEN - opened.length);
        opened.push(...next);
        level = await Promise.all(next.map((id) => client.ensureQueryData(runQuery(id))));
      }
    } catch (error) {
      say(`A child could not be read: ${errorText(error)}`, "bad");
    }
    show([...ids.filter((id) => !opened.includes(id)), ...opened]);
  };
  return {
    ids,
    lanes,
    toggle,
    more: (id) => setLimits((old) => new Map(old).set(id, (old.get(id) ?? LANE_STEPS) + MORE_STEPS)),
    openWrong,
  };
}
