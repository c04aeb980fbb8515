import type { AuditEntry } from "../api/wire";
import { shortId } from "../lib/status";
import { Link, runPath } from "../router";
import { Ago } from "../ui/Ago";

const GOOD = new Set(["ok", "done", "accepted", "applied", "success"]);

export function AuditTable({ entries, withRun }: { entries: AuditEntry[]; withRun: boolean }) {
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
            <td className="nowrap"><Ago at={entry.at} /></td>
            <td>{entry.actor}</td>
            <td><strong>{entry.action}</strong></td>
            {withRun ? <td>{entry.runId ? <Link to={runPath(entry.runId)} className="mono">{shortId(entry.runId)}</Link> : <span className="muted">–</span>}</td> : null}
            <td><span className="outcome" data-good={GOOD.has(entry.outcome) || undefined}>{entry.outcome}</span></td>
            <td className="wide-only muted">{entry.detail}{entry.params && Object.keys(entry.params).length > 0 ? <span className="mono small"> {JSON.stringify(entry.params)}</span> : null}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
