/** Every read of the page: the query's key and its fetcher, defined together. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { filterToParams, filterToQuery, type RunFilter } from "../lib/filter";
import type { RunPage } from "../live/merge";
import { getJson, getPage } from "./http";
import type {
  AuditEntry,
  BulkStatus,
  Executor,
  Facet,
  Graph,
  Health,
  Json,
  PublishedView,
  RunDetail,
  RunRow,
  Schedule,
  Step,
  Topology,
  UndoView,
  WorkerGroup,
} from "./wire";

export const PAGE_SIZE = 100;

const runPath = (id: string): string => `runs/${encodeURIComponent(id)}`;

export async function fetchRunPage(filter: RunFilter, cursor: string | null, signal?: AbortSignal): Promise<RunPage> {
  const params = filterToQuery(filter, Date.now());
  params.set("limit", String(PAGE_SIZE));
  if (cursor) params.set("cursor", cursor);
  const page = await getPage<RunRow>("runs", params, signal);
  return { ...page, short: page.next !== null && page.rows.length < PAGE_SIZE };
}

export const runsQuery = (filter: RunFilter) =>
  infiniteQueryOptions({
    queryKey: ["runs", "list", filterToParams(filter).toString()],
    queryFn: ({ pageParam, signal }) => fetchRunPage(filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page: RunPage) => page.next,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
    placeholderData: keepPreviousData,
  });

/** Workflow names that runs have, for suggestions. */
export const workflowsQuery = queryOptions({
  queryKey: ["runs", "workflows"],
  queryFn: ({ signal }) => getJson<Facet[]>("runs/facets", new URLSearchParams({ by: "workflow" }), signal),
  staleTime: 60_000,
});

export const facetsQuery = (filter: RunFilter) =>
  queryOptions({
    queryKey: ["runs", "facets", filterToParams(filter).toString()],
    queryFn: ({ signal }) => getJson<Facet[]>("runs/facets", filterToQuery(filter, Date.now()), signal),
    placeholderData: keepPreviousData,
  });

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ["run", id, "detail"],
    queryFn: ({ signal }) => getJson<RunDetail>(runPath(id), undefined, signal),
  });

export const graphQuery = (id: string, expand: readonly string[]) =>
  queryOptions({
    queryKey: ["run", id, "graph", ...expand],
    queryFn: ({ signal }) =>
      getJson<Graph>(`${runPath(id)}/graph`, new URLSearchParams(expand.map((group) => ["expand", group])), signal),
    placeholderData: keepPreviousData,
  });

export const stepQuery = (id: string, seq: number) =>
  queryOptions({
    queryKey: ["run", id, "step", seq],
    queryFn: ({ signal }) => getJson<Step>(`${runPath(id)}/steps/${seq}`, undefined, signal),
  });

export const payloadQuery = (id: string, name: "input" | "output" | "error") =>
  queryOptions({
    queryKey: ["run", id, "payload", name],
    queryFn: ({ signal }) => getJson<Json>(`${runPath(id)}/payload/${name}`, undefined, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const publishedQuery = (id: string) =>
  queryOptions({
    queryKey: ["run", id, "published"],
    queryFn: ({ signal }) => getJson<PublishedView[]>(`${runPath(id)}/events`, undefined, signal),
  });

export const undoQuery = (id: string) =>
  queryOptions({
    queryKey: ["run", id, "undo"],
    queryFn: ({ signal }) => getJson<UndoView>(`${runPath(id)}/undo`, undefined, signal),
    staleTime: 0,
  });

export const AUDIT_PAGE = 100;
const AUDIT_EVERY_MS = 5000;

function fetchAudit(runId: string | null, before: number | null, signal: AbortSignal): Promise<AuditEntry[]> {
  const params = new URLSearchParams({ limit: String(AUDIT_PAGE) });
  if (runId !== null) params.set("run", runId);
  if (before !== null) params.set("before", String(before));
  return getJson<AuditEntry[]>("audit", params, signal);
}

/** The newest entries alone: what is looked at again and again. */
export const auditHeadQuery = (runId: string | null) =>
  queryOptions({
    queryKey: ["audit", runId, "head"],
    queryFn: ({ signal }) => fetchAudit(runId, null, signal),
    staleTime: AUDIT_EVERY_MS,
    refetchInterval: AUDIT_EVERY_MS,
  });

export const auditQuery = (runId: string | null) =>
  infiniteQueryOptions({
    queryKey: ["audit", runId, "pages"],
    queryFn: async ({ pageParam, signal, client }) => {
      const page = await fetchAudit(runId, pageParam, signal);
      if (pageParam === null) client.setQueryData(auditHeadQuery(runId).queryKey, page);
      return page;
    },
    staleTime: Number.POSITIVE_INFINITY,
    initialPageParam: null as number | null,
    getNextPageParam: (page: AuditEntry[]) => (page.length < AUDIT_PAGE ? null : (page.at(-1)?.id ?? null)),
  });

export const bulkQuery = (bulkId: string) =>
  queryOptions({
    queryKey: ["bulk", bulkId],
    queryFn: ({ signal }) => getJson<BulkStatus>(`bulk/${encodeURIComponent(bulkId)}`, undefined, signal),
    refetchInterval: (query) => (query.state.data && isDone(query.state.data) ? false : 700),
  });

function isDone(state: BulkStatus): boolean {
  return (
    state.status === "completed" || state.status === "failed" || state.status === "cancelled" || state.status === "dead"
  );
}

export const workersQuery = queryOptions({
  queryKey: ["workers"],
  queryFn: ({ signal }) => getJson<WorkerGroup[]>("workers", undefined, signal),
  refetchInterval: 5000,
});

export const executorsQuery = queryOptions({
  queryKey: ["executors"],
  queryFn: ({ signal }) => getJson<Executor[]>("executors", undefined, signal),
  refetchInterval: 5000,
});

export const schedulesQuery = queryOptions({
  queryKey: ["schedules"],
  queryFn: ({ signal }) => getJson<Schedule[]>("schedules", undefined, signal),
  refetchInterval: 15_000,
});

export const topologyQuery = queryOptions({
  queryKey: ["topology"],
  queryFn: ({ signal }) => getJson<Topology>("topology", undefined, signal),
});

export const healthQuery = queryOptions({
  queryKey: ["health"],
  queryFn: ({ signal }) => getJson<Health>("health", undefined, signal),
  refetchInterval: 15_000,
});
