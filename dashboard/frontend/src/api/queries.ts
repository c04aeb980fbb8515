/** Every read of the page: the query's key and its fetcher, defined together. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { indented } from "../lib/exactJson";
import { filterToQuery, type RunFilter } from "../lib/filter";
import { isOpen } from "../lib/status";
import type { TimeRange } from "../lib/range";
import { resolveSince } from "../lib/time";
import type { RunPage } from "../live/list";
import { tick } from "../live/order";
import { rowOf, runs } from "../live/store";
import { get, getLinked, getPage, getText, post } from "./http";
import { keys } from "./keys";
import type { BulkStatus, BulkView, ErrorState } from "./wire";

export const PAGE_SIZE = 100;

export async function fetchRunPage(filter: RunFilter, cursor: string | null, signal?: AbortSignal): Promise<RunPage> {
  const query = { ...filterToQuery(filter, Date.now()), limit: PAGE_SIZE, ...(cursor ? { cursor } : {}) };
  const asked = tick();
  const page = await getPage("/runs", { query, ...(signal ? { signal } : {}) });
  for (const row of page.rows) runs.put(row, asked);
  return { ...page, short: page.next !== null && page.rows.length < PAGE_SIZE, asked };
}

export const runsQuery = (filter: RunFilter) =>
  infiniteQueryOptions({
    queryKey: keys.runList(filter),
    queryFn: ({ pageParam, signal }) => fetchRunPage(filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page: RunPage) => page.next,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
    placeholderData: keepPreviousData,
  });

/** Workflow names that runs have, for suggestions. */
export const workflowsQuery = queryOptions({
  queryKey: keys.workflows,
  queryFn: ({ signal }) => get("/runs/facets", { query: { by: "workflow" }, signal }),
  staleTime: 60_000,
});

export const facetsQuery = (filter: RunFilter) =>
  queryOptions({
    queryKey: keys.facets(filter),
    queryFn: ({ signal }) => get("/runs/facets", { query: filterToQuery(filter, Date.now()), signal }),
    placeholderData: keepPreviousData,
  });

const ACTIVITY_BUCKETS = 96;
const ACTIVITY_EVERY_MS = 15_000;

/** How many runs were created when: of every status, for the chips say which are listed. Without a time, of a day. */
export const activityQuery = (asked: RunFilter) => {
  const filter: RunFilter = { ...asked, status: [] };
  return queryOptions({
    queryKey: keys.activity(filter),
    queryFn: ({ signal }) =>
      get("/activity", { query: { ...filterToQuery(filter, Date.now()), buckets: ACTIVITY_BUCKETS }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: filter.until === "" ? ACTIVITY_EVERY_MS : false,
  });
};

const asked = new Map<string, number>();

/** When the current answer about a run was asked for (``tick``). */
export const askedFor = (runId: string): number => asked.get(runId) ?? 0;

/** Of thousands of children the page shows those that matter; the list has them all. */
export const CHILDREN_SHOWN = 200;
/** Steps of an opened loop that come at a time, and steps found by a search. */
export const STEPS_AT_ONCE = 200;

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: keys.runDetail(id),
    queryFn: async ({ signal }) => {
      const at = tick();
      const query = { fold: true, children: CHILDREN_SHOWN };
      const detail = await get("/runs/{runId}", { path: { runId: id }, query, signal });
      asked.set(id, at);
      runs.put(rowOf(detail.run), at);
      return detail;
    },
  });

/** A part of a run's steps as they are recorded: what a fold hides. */
export const stepsPartQuery = (id: string, from: number) =>
  queryOptions({
    queryKey: keys.stepsPart(id, from),
    queryFn: ({ signal }) =>
      get("/runs/{runId}", { path: { runId: id }, query: { from, limit: STEPS_AT_ONCE, children: 1 }, signal }),
    gcTime: 30_000,
  });

/** Steps whose name or error holds a text. */
export const stepsFoundQuery = (id: string, text: string) =>
  queryOptions({
    queryKey: keys.stepsFound(id, text),
    queryFn: ({ signal }) =>
      get("/runs/{runId}", { path: { runId: id }, query: { q: text, limit: STEPS_AT_ONCE, children: 1 }, signal }),
    enabled: text !== "",
    placeholderData: keepPreviousData,
  });

export const graphQuery = (id: string, expand: readonly string[], children: readonly string[] = []) =>
  queryOptions({
    queryKey: keys.graphOf(id, expand, children),
    queryFn: ({ signal }) =>
      get("/runs/{runId}/graph", { path: { runId: id }, query: { expand: [...expand], child: [...children] }, signal }),
    placeholderData: keepPreviousData,
    gcTime: 30_000, // megabytes each, one for every set of unfolded groups
  });

const TIMING_EVERY_MS = 5000;

/** Where a run's time went; of an open run up to now, again and again. */
export const timingQuery = (id: string, finishedAt: string | undefined) =>
  queryOptions({
    queryKey: keys.timingAt(id, finishedAt),
    queryFn: ({ signal }) => get("/runs/{runId}/timing", { path: { runId: id }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: finishedAt === undefined ? TIMING_EVERY_MS : false,
  });

/** A run beside another run or attempt; beside the last success where none is named. */
export const compareQuery = (id: string, other: string | null, attempt: number | null, step: number | null = null) =>
  queryOptions({
    queryKey: keys.compare(id, other, attempt, step),
    queryFn: ({ signal }) => {
      const query = {
        ...(other === null ? {} : { with: other }),
        ...(attempt === null ? {} : { attempt }),
        ...(step === null ? {} : { step }),
      };
      return get("/runs/{runId}/compare", { path: { runId: id }, query, signal });
    },
    retry: false,
  });

export const stepQuery = (id: string, seq: number) =>
  queryOptions({
    queryKey: keys.step(id, seq),
    queryFn: ({ signal }) => get("/runs/{runId}/steps/{seq}", { path: { runId: id, seq }, signal }),
  });

export type PayloadName = "input" | "output" | "error";

export const payloadQuery = (id: string, name: PayloadName) =>
  queryOptions({
    queryKey: keys.payload(id, name),
    queryFn: ({ signal }) => get("/runs/{runId}/payload/{name}", { path: { runId: id, name }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });

/** An input to be edited and sent back: its text with every digit, and whether JSON can say all of it. */
export const inputTextQuery = (id: string) =>
  queryOptions({
    queryKey: keys.payload(id, "input text"),
    queryFn: async ({ signal }) => {
      const request = { path: { runId: id, name: "input" as const }, query: { exact: true }, signal };
      const { text, headers } = await getText("/runs/{runId}/payload/{name}", request);
      return { text: indented(text), plain: headers.get("X-Payload-Plain") !== "false" };
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });

export const publishedQuery = (id: string) =>
  queryOptions({
    queryKey: keys.published(id),
    queryFn: ({ signal }) => get("/runs/{runId}/events", { path: { runId: id }, signal }),
  });

export const streamsQuery = (id: string) =>
  queryOptions({
    queryKey: keys.streams(id),
    queryFn: ({ signal }) => get("/runs/{runId}/streams", { path: { runId: id }, signal }),
  });

/** Values of a stream behind an offset; what is shown stays while the next part is read. */
export const streamQuery = (id: string, key: string, after: number) =>
  queryOptions({
    queryKey: keys.streamPart(id, key, after),
    queryFn: ({ signal }) =>
      get("/runs/{runId}/streams/{key}", { path: { runId: id, key }, query: { after, limit: 1000 }, signal }),
    placeholderData: keepPreviousData,
  });

export const undoQuery = (id: string) =>
  queryOptions({
    queryKey: keys.undo(id),
    queryFn: ({ signal }) => get("/runs/{runId}/undo", { path: { runId: id }, signal }),
    staleTime: 0,
  });

/** How often a bulk action that is over is looked at again, while some of its runs are open. */
const BULK_AFTER_MS = 3000;
const BULK_LARGE = 1000;

export const bulkQuery = (bulkId: string) =>
  queryOptions({
    queryKey: keys.bulk(bulkId),
    queryFn: ({ signal }) => get("/bulk/{bulkId}", { path: { bulkId }, signal }),
    refetchInterval: (query) => {
      const state = query.state.data;
      // Counting how many thousands of runs stand takes the server a second.
      if (state === undefined || !isDone(state)) return (state?.done ?? 0) > BULK_LARGE ? BULK_AFTER_MS : 700;
      return (state.now?.open ?? 0) > 0 ? BULK_AFTER_MS : false;
    },
  });

const BULKS_PAGE = 50;
const BULKS_EVERY_MS = 10_000;

/** Bulk actions, newest first. */
export const bulksQuery = infiniteQueryOptions({
  queryKey: keys.bulks,
  queryFn: ({ pageParam, signal }) =>
    get("/bulk", { query: { limit: BULKS_PAGE, ...(pageParam === null ? {} : { before: pageParam }) }, signal }),
  initialPageParam: null as string | null,
  getNextPageParam: (page: BulkView[]) => (page.length < BULKS_PAGE ? null : (page.at(-1)?.bulkId ?? null)),
  refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) > 1 ? false : BULKS_EVERY_MS),
});

export function isDone(state: BulkStatus): boolean {
  return !isOpen(state);
}

const INBOX_EVERY_MS = 10_000;

/** What waits for a person; of one assignee, or ("") of nobody. */
export const inboxQuery = (assignee: string | null) =>
  queryOptions({
    queryKey: keys.inboxOf(assignee),
    queryFn: ({ signal }) => get("/inbox", { query: assignee === null ? {} : { assignee }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: INBOX_EVERY_MS,
  });

/** What a signed link asks. */
export const questionQuery = (token: string) =>
  queryOptions({
    queryKey: keys.question(token),
    queryFn: ({ signal }) => get("/inbox/{token}", { path: { token }, signal }),
    refetchInterval: (query) => (query.state.error ? false : INBOX_EVERY_MS),
    retry: false,
  });

/** What a run waits for, with what each wait asks and takes; asked again when it waits for something else. */
export const waitsQuery = (runId: string, seq: number | undefined) =>
  queryOptions({
    queryKey: keys.waits(runId, seq),
    queryFn: ({ signal }) => get("/runs/{runId}/waits", { path: { runId }, signal }),
  });

/** How much waits for a person, for the navigation. */
export const inboxCountQuery = queryOptions({
  queryKey: keys.inboxCount,
  queryFn: ({ signal }) => get("/inbox", { query: { limit: 0 }, signal }),
  refetchInterval: INBOX_EVERY_MS,
});

/** What is wrong: its count is in the navigation too. */
export const alertsQuery = queryOptions({
  queryKey: keys.alerts,
  queryFn: ({ signal }) => get("/alerts", { signal }),
  refetchInterval: 15_000,
});

export const workersQuery = queryOptions({
  queryKey: keys.workers,
  queryFn: ({ signal }) => get("/workers", { signal }),
  refetchInterval: 5000,
});

export const executorsQuery = queryOptions({
  queryKey: keys.executors,
  queryFn: ({ signal }) => get("/executors", { signal }),
  refetchInterval: 5000,
});

export const schedulesQuery = queryOptions({
  queryKey: keys.schedules,
  queryFn: ({ signal }) => get("/schedules", { signal }),
  refetchInterval: 15_000,
});

export const topologyQuery = queryOptions({
  queryKey: keys.topology,
  queryFn: ({ signal }) => get("/topology", { signal }),
});

const ERRORS_EVERY_MS = 10_000;

/** Failures by kind, of a range of time. */
export const errorsQuery = ({ since, until }: TimeRange, state: ErrorState | null) =>
  infiniteQueryOptions({
    queryKey: keys.errorList(since, until, state),
    queryFn: async ({ pageParam, signal }) => {
      const query = {
        since: resolveSince(since, Date.now()),
        ...(until === "" ? {} : { until }),
        ...(state === null ? {} : { state: [state] }),
        ...(pageParam === null ? {} : { cursor: pageParam }),
      };
      return getLinked("/errors", { query, signal });
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) > 1 ? false : ERRORS_EVERY_MS),
  });

export const errorQuery = (fingerprint: string, { since, until }: TimeRange) =>
  queryOptions({
    queryKey: keys.error(fingerprint, since, until),
    queryFn: ({ signal }) => {
      const range = { since: resolveSince(since, Date.now()), ...(until === "" ? {} : { until }) };
      return get("/errors/{fingerprint}", { path: { fingerprint }, query: { buckets: 84, ...range }, signal });
    },
    refetchInterval: ERRORS_EVERY_MS,
  });

export const versionsQuery = queryOptions({
  queryKey: keys.versions,
  queryFn: ({ signal }) => get("/versions", { signal }),
  refetchInterval: 15_000,
});

/** Whether a run's recorded steps fit a version: asked for, not done. */
export const moveCheckQuery = (id: string, version: string) =>
  queryOptions({
    queryKey: keys.moveCheck(id, version),
    queryFn: ({ signal }) =>
      post("/runs/{runId}/move", { path: { runId: id }, body: { version, dryRun: true }, signal }),
    retry: false,
  });

/** Views of the run list that people saved. */
export const viewsQuery = queryOptions({
  queryKey: keys.views,
  queryFn: ({ signal }) => get("/views", { signal }),
  staleTime: 30_000,
});

export const healthQuery = queryOptions({
  queryKey: keys.health,
  queryFn: ({ signal }) => get("/health", { signal }),
  refetchInterval: 15_000,
});
