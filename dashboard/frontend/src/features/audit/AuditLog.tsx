import type { AuditEntry } from "../../api/wire";
import { shortId } from "../../lib/status";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Ago } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import { Empty, Failure, Skeleton } from "../../ui/Notice";
import { useAuditLog } from "./useAuditLog";

const GOOD = new Set(["ok", "done", "accepted", "applied", "success"]);

/** The log of one run, or of all. */
export function AuditLog({ runId, empty }: { runId: string | null; empty: string }) {
  const query = useAuditLog(runId);
  if (query.isPending) return <Skeleton rows={6} />;
  if (query.isError && !query.data)
    return <Failure what="The audit log" error={query.error} onRetry={() => void query.refetch()} />;
  const entries = query.entries;
  if (entries.length === 0)
    return (
      <Empty title={runId === null ? "Nobody has acted yet" : "Nobody has acted on this run"} icon="check">
        {empty}
      </Empty>
    );
  return (
    <>
      <AuditTable entries={entries} withRun={runId === null} />
      {query.hasNextPage ? (
        <Button className="older" busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Older entries
        </Button>
      ) : null}
    </>
  );
}

function AuditTable({ entries, withRun }: { entries: AuditEntry[]; withRun: boolean }) {
  return (
    <table className="table">
      <thead>
        <tr>
          <th>When</th>
          <th>Who</th>
          <th>What</th>
          {withRun ? <th>Run</th> : null}
          <th>Outcome</th>
          <th className="wide-only">Detail</th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) => (
          <tr key={entry.id ?? `${entry.at}${entry.action}`}>
            <td className="nowrap">
              <Ago at={entry.at} />
            </td>
            <td data-label="Who">{entry.actor}</td>
            <td data-label="What">
              <strong>{entry.action}</strong>
            </td>
            {withRun ? (
              <td data-label="Run">
                {entry.runId ? (
                  <Link
                    to={entry.action.startsWith("bulk.") ? links.bulk(entry.runId) : links.run(entry.runId)}
                    className="mono"
                  >
                    {shortId(entry.runId)}
                  </Link>
                ) : (
                  <span className="muted">–</span>
                )}
              </td>
            ) : null}
            <td data-label="Outcome">
              <span className="outcome" data-good={GOOD.has(entry.outcome) || undefined}>
                {entry.outcome}
              </span>
            </td>
            <td className="wide-only muted">
              {entry.detail}
              {entry.params && Object.keys(entry.params).length > 0 ? (
                <span className="mono small"> {JSON.stringify(entry.params)}</span>
              ) : null}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
