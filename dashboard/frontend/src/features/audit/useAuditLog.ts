/** The audit log: pages read once, its newest entries looked at every few seconds. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { ALL_AUDIT, AUDIT_PAGE, type AuditFilter, auditHeadQuery, auditQuery } from "../../api/auditQueries";
import type { AuditEntry } from "../../api/wire";

/**
 * Put the newest entries on top of what is loaded; entries are written once and never change.
 * Null when there is a gap between the two: more was written meanwhile than one look shows.
 */
export function mergeEntries(head: AuditEntry[], loaded: AuditEntry[]): AuditEntry[] | null {
  const newest = loaded[0];
  if (newest === undefined) return head;
  const fresh = head.filter((entry) => entry.id > newest.id);
  return fresh.length >= AUDIT_PAGE ? null : [...fresh, ...loaded];
}

export function useAuditLog(runId: string | null, filter: AuditFilter = ALL_AUDIT) {
  const query = useInfiniteQuery(auditQuery(runId, filter));
  const head = useQuery({ ...auditHeadQuery(runId, filter), enabled: query.isSuccess });
  const loaded = useMemo(() => query.data?.pages.flat() ?? [], [query.data]);
  const merged = useMemo(() => mergeEntries(head.data ?? [], loaded), [head.data, loaded]);
  const { refetch } = query;
  useEffect(() => {
    if (merged === null) void refetch();
  }, [merged, refetch]);
  return { ...query, entries: merged ?? loaded };
}
