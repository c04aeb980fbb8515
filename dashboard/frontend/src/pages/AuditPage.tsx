import { useQuery } from "@tanstack/react-query";
import { auditQuery } from "../api/queries";
import { Empty, Failure, Skeleton } from "../ui/basics";
import { AuditTable } from "./AuditTable";

export function AuditPage() {
  const query = useQuery({ ...auditQuery(null), refetchInterval: 5000 });
  return (
    <div className="page plain-page">
      <header className="page-head"><h1>Audit</h1><p className="muted">Who did what to which run, when, and what came of it. Refusals included.</p></header>
      {query.isPending ? <Skeleton rows={8} /> : null}
      {query.isError && !query.data ? <Failure what="The audit log" error={query.error} onRetry={() => void query.refetch()} /> : null}
      {query.data?.length === 0 ? <Empty title="Nobody has acted yet" icon="check">Every retry, cancel, signal and schedule change through this page or its API is written down here.</Empty> : null}
      {query.data && query.data.length > 0 ? <AuditTable entries={query.data} withRun /> : null}
    </div>
  );
}
