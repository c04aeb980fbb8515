import { useQuery } from "@tanstack/react-query";
import { bulkQuery, isDone } from "../../api/queries";
import type { BulkStage, BulkStatus, RunStatus } from "../../api/wire";
import { type BulkResult, bulkTitle, DONE, readResult } from "../../features/bulk/words";
import { ApiError } from "../../lib/errors";
import { type BulkPart, filterFromRecord, isEmptyFilter } from "../../lib/filter";
import { shortId } from "../../lib/status";
import { formatCount } from "../../lib/time";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Ago } from "../../ui/Ago";
import { StatusIcon } from "../../ui/icons";
import { Empty, Notice, Skeleton } from "../../ui/Notice";
import { QueryView } from "../../ui/QueryView";
import css from "./bulk.module.css";

/** A bulk action: what it was asked to do, how far it is, whom it left alone, and how its runs stand now. */
export function BulkPage({ id }: { id: string }) {
  const query = useQuery(bulkQuery(id));
  if (query.error instanceof ApiError && query.error.status === 404) {
    return (
      <div className="page">
        <Empty title="No such bulk action" icon="search" whole>
          <p>{query.error.detail}</p>
          <Link to={links.runs()} className="btn">
            All runs
          </Link>
        </Empty>
      </div>
    );
  }
  return (
    <div className="page plain-page">
      <QueryView query={query} what="The bulk action" pending={<Skeleton rows={8} />}>
        {(bulk) => <Loaded bulk={bulk} />}
      </QueryView>
    </div>
  );
}

function Loaded({ bulk }: { bulk: BulkStatus }) {
  const ended = isDone(bulk);
  const matched = bulk.matched ?? bulk.done;
  const left = bulk.results.map(readResult).filter((result) => result.outcome !== "applied");
  return (
    <>
      <header className="page-head">
        <h1>{bulkTitle(bulk.action, matched)}</h1>
        <p className="muted">
          <Asked bulk={bulk} />
        </p>
      </header>
      {bulk.stopped ? (
        <Notice tone="warn" title="Stopped before the last run">
          {bulk.stopped}
        </Notice>
      ) : null}
      <section className={css.progress} aria-label="Progress">
        <progress max={Math.max(1, matched)} value={bulk.done} aria-label="Runs that it came to" />
        <p>
          <strong>{formatCount(bulk.applied)}</strong> of {formatCount(matched)} {doneWord(bulk)}
          {bulk.refused > 0 ? `, ${formatCount(bulk.refused)} left alone` : ""}
          {ended ? "." : ". A worker is at it."}
          {bulk.skipped ? ` ${formatCount(bulk.skipped)} more matched, but their state did not allow it.` : ""}
        </p>
        {bulk.stages ? <Stages stages={bulk.stages} /> : null}
      </section>
      <Now bulk={bulk} />
      {left.length > 0 ? <LeftAlone results={left} bulkId={bulk.bulkId} /> : null}
    </>
  );
}

function doneWord({ action }: BulkStatus): string {
  return action === "retry" || action === "cancel" || action === "move" ? DONE[action] : "acted on";
}

/** By whom, when, over which filter. */
function Asked({ bulk }: { bulk: BulkStatus }) {
  const filter = bulk.filter === undefined ? null : filterFromRecord(bulk.filter);
  const ticked = bulk.params?.ids !== undefined;
  const canary = bulk.params?.canary === true;
  return (
    <>
      {bulk.actor ? <>By {bulk.actor}, </> : null}
      {bulk.startedAt ? <Ago at={bulk.startedAt} /> : null}
      {canary ? ", a part first" : ""}
      {ticked ? ", of runs that were ticked" : null}
      {filter && !(ticked && isEmptyFilter(filter)) ? (
        <>
          {". "}
          <Link to={links.runs(filter)}>{isEmptyFilter(filter) ? "Every run" : "Its filter, as it matches now"}</Link>
        </>
      ) : null}
      {". "}
      <Link to={links.bulks}>All bulk actions</Link>
    </>
  );
}

const STAGE: Record<BulkStage["state"], string> = {
  waiting: "not yet",
  at_work: "at work",
  watched: "waiting to see what becomes of them",
  good: "went well",
  stopped: "stopped",
};

function Stages({ stages }: { stages: readonly BulkStage[] }) {
  return (
    <ol className={css.stages} aria-label="Parts, one after another">
      {stages.map((stage, index) => (
        <li key={index} data-state={stage.state}>
          <strong>{formatCount(stage.runs)}</strong>
          <span>{index === stages.length - 1 && stage.state === "good" ? "done" : STAGE[stage.state]}</span>
        </li>
      ))}
    </ol>
  );
}

interface Tile {
  part: BulkPart;
  label: string;
  status: RunStatus;
  count: (bulk: BulkStatus) => number;
}

const TILES: readonly Tile[] = [
  { part: "succeeded", label: "Succeeded", status: "completed", count: ({ now }) => now?.succeeded ?? 0 },
  { part: "same_error", label: "Failed again, same error", status: "failed", count: ({ now }) => now?.sameError ?? 0 },
  { part: "new_error", label: "Failed, new error", status: "failed", count: ({ now }) => now?.newError ?? 0 },
  { part: "open", label: "Still open", status: "running", count: ({ now }) => now?.open ?? 0 },
  { part: "cancelled", label: "Cancelled", status: "cancelled", count: ({ now }) => now?.cancelled ?? 0 },
  { part: "left_alone", label: "Left alone", status: "pending", count: ({ refused }) => refused },
];

/** How its runs stand now; each count leads to them. */
function Now({ bulk }: { bulk: BulkStatus }) {
  if (bulk.now === undefined)
    return (
      <Notice title="What became of its runs is not known">
        The ledger that keeps it cannot be read, or was deleted.
      </Notice>
    );
  return (
    <section>
      <h2 className="section-title">Now</h2>
      <ul className={css.tiles}>
        {TILES.map(({ part, label, status, count }) => {
          const found = count(bulk);
          return (
            <li key={part} data-status={status} data-none={found === 0 || undefined}>
              <Link to={links.runs({ bulk: bulk.bulkId, bulkPart: part })}>
                <StatusIcon status={status} size={14} />
                <strong>
                  {formatCount(found)}
                  {bulk.now?.exact === false ? "+" : ""}
                </strong>
                <span className={css.label}>{label}</span>
              </Link>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

const LEFT_SHOWN = 50;

/** Whom it left alone, and why. */
function LeftAlone({ results, bulkId }: { results: readonly BulkResult[]; bulkId: string }) {
  return (
    <section>
      <h2 className="section-title">Left alone</h2>
      <table className="table">
        <thead>
          <tr>
            <th>Run</th>
            <th>Why</th>
          </tr>
        </thead>
        <tbody>
          {results.slice(0, LEFT_SHOWN).map((result) => (
            <tr key={result.runId}>
              <td className="nowrap">
                <Link to={links.run(result.runId)} className="mono">
                  {shortId(result.runId)}
                </Link>
              </td>
              <td data-label="Why">{result.detail || result.outcome}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {results.length > LEFT_SHOWN ? (
        <p>
          <Link to={links.runs({ bulk: bulkId, bulkPart: "left_alone" })}>
            and {formatCount(results.length - LEFT_SHOWN)} more
          </Link>
        </p>
      ) : null}
    </section>
  );
}
