import { useQuery } from "@tanstack/react-query";
import { versionsQuery } from "../../api/queries";
import type { Version } from "../../api/wire";
import { counted, statusesThat } from "../../lib/status";
import { formatCount, formatRunDuration } from "../../lib/time";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Ago } from "../../ui/Ago";
import { Empty, Skeleton } from "../../ui/Notice";
import { AsOf, QueryView } from "../../ui/QueryView";
import { formatShare } from "../errors/ErrorsPage";
import css from "./versions.module.css";

/** Which versions of the application are at work, which have runs left, and how each did against the one before. */
export function VersionsPage() {
  const query = useQuery(versionsQuery);
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Versions</h1>
        <p className="muted">
          A run stays on the version that started it. A version is drained when none of its runs is open.
        </p>
      </header>
      <QueryView
        query={query}
        what="The versions"
        pending={<Skeleton rows={5} />}
        empty={{
          when: (versions) => versions.length === 0,
          show: <Empty title="No versions yet">The first run of the application shows its version here.</Empty>,
        }}
      >
        {(versions) => <Versions versions={versions} />}
      </QueryView>
      <AsOf at={query.dataUpdatedAt} />
    </div>
  );
}

function Versions({ versions }: { versions: Version[] }) {
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Version</th>
          <th>First seen</th>
          <th className="num">Live workers</th>
          <th>Open runs</th>
          <th className="num">Failed</th>
          <th className="num">Median</th>
          <th className="num">95 %</th>
        </tr>
      </thead>
      <tbody>
        {versions.map((version) => (
          <Row key={version.version} version={version} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ version: one }: { version: Version }) {
  const { figures, previousFigures: before } = one;
  return (
    <tr data-alarm={one.blockedRuns > 0 || undefined}>
      <td>
        <Link to={links.runs({ version: one.version })} className="mono">
          {one.version}
        </Link>
      </td>
      <td data-label="First seen">
        <Ago at={one.firstSeenAt} />
      </td>
      <td data-label="Live workers" className="num">
        {one.liveExecutors > 0 ? one.liveExecutors : <span className="muted">none</span>}
      </td>
      <td data-label="Open runs">
        {one.drained ? (
          <span className="muted">drained</span>
        ) : (
          <span className={css.open}>
            {counted(one.openRuns, "open run")}
            {one.blockedRuns > 0 ? (
              <Link to={links.runs({ version: one.version, status: ["blocked"] })} className={css.blocked}>
                {formatCount(one.blockedRuns)} blocked
              </Link>
            ) : null}
          </span>
        )}
      </td>
      <td data-label="Failed" className="num">
        <Figure
          now={figures.failureShare}
          before={before?.failureShare}
          format={formatShare}
          {...(figures.failureShare
            ? { to: links.runs({ version: one.version, status: statusesThat("failed") }) }
            : {})}
        />
      </td>
      <td data-label="Median" className="num">
        <Figure now={figures.p50Ms} before={before?.p50Ms} format={formatRunDuration} />
      </td>
      <td data-label="95 %" className="num">
        <Figure now={figures.p95Ms} before={before?.p95Ms} format={formatRunDuration} />
      </td>
    </tr>
  );
}

interface FigureProps {
  now: number | undefined;
  before: number | undefined;
  format: (value: number) => string;
  /** Where the runs are that it counts. */
  to?: string;
}

/** A figure, and under it what it was in the version before. */
function Figure({ now, before, format, to }: FigureProps) {
  if (now === undefined) return <span className="muted">–</span>;
  return (
    <>
      {to === undefined ? format(now) : <Link to={to}>{format(now)} of runs</Link>}
      {before !== undefined ? <div className="muted small nowrap">was {format(before)}</div> : null}
    </>
  );
}
