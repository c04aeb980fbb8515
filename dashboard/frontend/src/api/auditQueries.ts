/** The audit log's queries: its newest entries, and its pages. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { get } from "./http";
import { keys } from "./keys";
import type { AuditEntry } from "./wire";

export const AUDIT_PAGE = 100;
const AUDIT_EVERY_MS = 5000;

/** Which entries: exact values; null is any. */
export interface AuditFilter {
  actor: string | null;
  action: string | null;
  outcome: string | null;
}

export const ALL_AUDIT: AuditFilter = { actor: null, action: null, outcome: null };

function fetchAudit(
  runId: string | null,
  { actor, action, outcome }: AuditFilter,
  before: number | null,
  signal: AbortSignal,
): Promise<AuditEntry[]> {
  const query = {
    limit: AUDIT_PAGE,
    ...(actor === null ? {} : { actor }),
    ...(action === null ? {} : { action }),
    ...(outcome === null ? {} : { outcome }),
    ...(runId === null ? {} : { run: runId }),
    ...(before === null ? {} : { before }),
  };
  return get("/audit", { query, signal });
}

/** The newest entries alone: what is looked at again and again. */
export const auditHeadQuery = (runId: string | null, filter: AuditFilter) =>
  queryOptions({
    queryKey: [...keys.auditOf(runId), filter, "head"],
    queryFn: ({ signal }) => fetchAudit(runId, filter, null, signal),
    staleTime: AUDIT_EVERY_MS,
    refetchInterval: AUDIT_EVERY_MS,
  });

export const auditQuery = (runId: string | null, filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: [...keys.auditOf(runId), filter, "pages"],
    queryFn: async ({ pageParam, signal, client }) => {
      const page = await fetchAudit(runId, filter, pageParam, signal);
      if (pageParam === null) client.setQueryData(auditHeadQuery(runId, filter).queryKey, page);
      return page;
    },
    staleTime: Number.POSITIVE_INFINITY,
    initialPageParam: null as number | null,
    getNextPageParam: (page: AuditEntry[]) => (page.length < AUDIT_PAGE ? null : (page.at(-1)?.id ?? null)),
  });
