import { useState } from "react";
import { ALL_AUDIT, type AuditFilter } from "../../api/auditQueries";
import type { AuditEntry } from "../../api/wire";
import { shortId } from "../../lib/status";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Ago } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import { Empty, Failure, Skeleton } from "../../ui/Notice";
import { foldEntries, paramTexts } from "./entries";
import { useAuditLog } from "./useAuditLog";
import css from "./auditLog.module.css";

const GOOD = new Set(["ok", "done", "accepted", "applied", "success"]);

interface Props {
  runId: string | null;
  filter?: AuditFilter;
  /** What is said where nobody has acted at all. */
  empty: string;
}

/** The log of one run, or of all. */
export function AuditLog({ runId, filter = ALL_AUDIT, empty }: Props) {
  const query = useAuditLog(runId, filter);
  const narrowed = Object.values(filter).some((value) => value !== null);
  if (query.isPending) return <Skeleton rows={6} />;
  if (query.isError && !query.data)
    return <Failure what="The audit log" error={query.error} onRetry={() => void query.refetch()} />;
  const entries = query.entries;
  if (entries.length === 0 && narrowed)
    return <Empty title="No entry matches">Names are exact: see what was done without a filter.</Empty>;
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
        {(withRun ? foldEntries(entries) : entries).map((one) =>
          Array.isArray(one) ? (
            <FoldedRows key={one[0]?.id} entries={one} withRun={withRun} />
          ) : (
            <Row key={one.id} entry={one} withRun={withRun} />
          ),
        )}
      </tbody>
    </table>
  );
}

/** Many entries of one kind in a row, as of a bulk action: one line, opened in place. */
function FoldedRows({ entries, withRun }: { entries: AuditEntry[]; withRun: boolean }) {
  const [open, setOpen] = useState(false);
  const [last] = entries;
  if (last === undefined) return null;
  return (
    <>
      <tr>
        <td className="nowrap">
          <Ago at={last.at} />
        </td>
        <td data-label="Who">{last.actor}</td>
        <td data-label="What">
          <strong>{last.action}</strong>
        </td>
        {withRun ? (
          <td data-label="Run">
            <button type="button" className={css.fold} aria-expanded={open} onClick={() => setOpen(!open)}>
              {entries.length} runs
            </button>
          </td>
        ) : null}
        <td data-label="Outcome">
          <span className="outcome" data-good={GOOD.has(last.outcome) || undefined}>
            {last.outcome}
          </span>
        </td>
        <td className="wide-only muted">one after the other{open ? ", below" : ""}</td>
      </tr>
      {open ? entries.map((entry) => <Row key={entry.id} entry={entry} withRun={withRun} />) : null}
    </>
  );
}

function Row({ entry, withRun }: { entry: AuditEntry; withRun: boolean }) {
  return (
    <tr>
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
        {paramTexts(entry.params).map((text) => (
          <span key={text} className="mono small">
            {" "}
            {text}
          </span>
        ))}
      </td>
    </tr>
  );
}
