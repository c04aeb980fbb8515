import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { alertsQuery } from "../../api/queries";
import type { RunDetail, RunRow } from "../../api/wire";
import { useNow } from "../../lib/clock";
import { hasQueued, isRounded, measure } from "../../lib/measure";
import { counted, FACTS, isHeld, isOpen, namedQueue, shortId, STATUS, statusesThat } from "../../lib/status";
import { formatDuration, formatGrowing, formatRunDuration } from "../../lib/time";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Ago, Clock } from "../../ui/Ago";
import { CopyButton } from "../../ui/CopyButton";
import { Glyph, StatusIcon } from "../../ui/icons";
import { Attempts } from "./Attempts";
import { childRows } from "./children";

function Worked({ run }: { run: RunRow }) {
  const now = useNow();
  return <>{formatGrowing(measure(run, now).workMs)}</>;
}

/** How far off a time of this run is. */
function Rounding({ run }: { run: RunRow }) {
  return isRounded(run) ? (
    <span className="muted" title="This store keeps the times of runs in whole seconds">
      ±1 s
    </span>
  ) : null;
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What is wrong now with the run's workflow, queue, executor or schedule. */
function Alerts({ run }: { run: RunRow }) {
  const { data } = useQuery(alertsQuery);
  const subjects = new Set([run.workflow, run.queue, run.executor, run.schedule]);
  const about = data?.alerts.filter(({ state, subject }) => state !== "ended" && subjects.has(subject)) ?? [];
  if (about.length === 0) return null;
  return (
    <Fact label={about.length === 1 ? "Alert" : "Alerts"}>
      {about.map(({ id, summary }) => (
        <Link key={id} to={links.alerts} title="All alerts">
          {summary}
        </Link>
      ))}
    </Fact>
  );
}

const HOW = { person: "this run", error: "with its error", completed: "retried and completed", undone: "undone" };

/** What is known of a run, in a column: when, where, how long; what it belongs to; its attempts. */
export function RunFacts({ detail }: { detail: RunDetail }) {
  const { run } = detail;
  const trace = run.traceUrl ?? null;
  const queue = namedQueue(run.queue);
  return (
    <>
      <dl className="facts">
        <Fact label="Created">
          <Clock at={run.createdAt} />{" "}
          <span className="muted">
            <Ago at={run.createdAt} />
          </span>
        </Fact>
        <Fact label="Duration">
          {run.durationMs !== undefined ? (
            <>
              {formatRunDuration(run.durationMs)}
              <Rounding run={run} />
            </>
          ) : isOpen(run) && run.status !== "pending" && (run.status !== "blocked" || isHeld(run)) ? (
            <Worked run={run} />
          ) : (
            <span className="muted">not started</span>
          )}
        </Fact>
        {hasQueued(run) ? (
          <Fact label="In queue">
            {isRounded(run) ? formatRunDuration(run.queueMs ?? 0) : formatDuration(run.queueMs)}
            <Rounding run={run} />
          </Fact>
        ) : null}
        {queue ? (
          <Fact label="Queue">
            <Link to={links.runs({ queue })}>{queue}</Link>
          </Fact>
        ) : null}
        {run.executor ? (
          <Fact label="Executor">
            <Link to={links.runs({ executor: run.executor })} className="mono clip" title={run.executor}>
              {run.executor}
            </Link>
          </Fact>
        ) : null}
        {run.workflowVersion ? (
          <Fact label="Version">
            <span className="mono clip" title={run.workflowVersion}>
              {run.workflowVersion}
            </span>
          </Fact>
        ) : null}
        {run.deadlineAt ? (
          <Fact label="Deadline">
            <Clock at={run.deadlineAt} />
          </Fact>
        ) : null}
        {run.dealtWith ? (
          <Fact label={run.dealtWith.state === "ignored" ? "Ignored" : "Dealt with"}>
            <span>
              {HOW[run.dealtWith.how]}
              {run.dealtWith.by ? ` by ${run.dealtWith.by}` : ""}
              {run.dealtWith.note ? `: ${run.dealtWith.note}` : ""}
            </span>
          </Fact>
        ) : null}
        <Alerts run={run} />
        {run.recoveryAttempts > 1 ? <Fact label="Started">{run.recoveryAttempts} times</Fact> : null}
        {run.schedule ? (
          <Fact label="Schedule">
            <Link to={links.schedules}>{run.schedule}</Link>
          </Fact>
        ) : null}
        <Fact label="Trace">
          {trace ? (
            <a href={trace} target="_blank" rel="noreferrer">
              Open <Glyph name="external" size={12} />
            </a>
          ) : (
            <>
              <span className="mono clip" title={run.traceId}>
                {run.traceId.slice(0, 8)}
              </span>
              <CopyButton text={run.traceId} label="Copy the trace id" />
            </>
          )}
        </Fact>
        {run.tags.length > 0 ? (
          <Fact label="Tags">
            {run.tags.map((tag) => (
              <Link key={tag} to={links.runs({ tag: [tag] })} className="tag">
                {tag}
              </Link>
            ))}
          </Fact>
        ) : null}
        {Object.entries(run.searchAttributes).map(([key, value]) => (
          <Fact key={key} label={key}>
            <span className="mono clip">{typeof value === "string" ? value : JSON.stringify(value)}</span>
          </Fact>
        ))}
      </dl>
      <Relatives detail={detail} />
      <Attempts runId={run.id} attempts={detail.attempts} />
    </>
  );
}

const FAILED_SHOWN = 5;

/** Parent, forks, dead letter, undo: each one click away. */
function Relatives({ detail }: { detail: RunDetail }) {
  const { run, lineage } = detail;
  const failed = childRows(detail).filter(({ status }) => FACTS[status].unsuccessful);
  const related: [string, RunRow | undefined, string | undefined][] = [
    ["Child of", lineage.parent, run.parentId],
    ["Forked from", lineage.forkedFrom, run.forkedFrom],
    ["Handles dead run", lineage.deadRun, run.deadRunId],
    ["Dead letter handled by", lineage.deadLetter, run.deadLetterId],
    ["Undone by", lineage.undo, run.undoId],
    ["Undoes", lineage.undoes, run.undoesId],
    ...lineage.forks.map((fork): [string, RunRow, string] => ["Fork", fork, fork.id]),
  ];
  const shown = related.filter(([, row, id]) => row ?? id);
  if (shown.length === 0 && detail.childrenTotal === 0) return null;
  return (
    <div className="relatives">
      {shown.map(([label, row, id]) => {
        const target = row?.id ?? id ?? "";
        return (
          <span key={`${label}${target}`} className="relative">
            <span className="muted">{label}</span>
            {row ? <StatusIcon status={row.status} size={14} /> : null}
            <Link to={links.run(target)} title={row ? `${STATUS[row.status].label} · ${target}` : target}>
              {row ? row.workflow : ""} <span className="mono muted">{shortId(target)}</span>
            </Link>
          </span>
        );
      })}
      {detail.childrenTotal > 0 ? (
        <span className="relative">
          <span className="muted">Started</span>
          <Link to={links.runs({ parent: run.id })}>{counted(detail.childrenTotal, "child run")}</Link>
        </span>
      ) : null}
      {failed.slice(0, FAILED_SHOWN).map((child) => (
        <span key={child.id} className="relative">
          <StatusIcon status={child.status} size={14} />
          <Link to={links.run(child.id)} title={`${STATUS[child.status].label} · ${child.id}`}>
            {child.workflow} <span className="mono muted">{shortId(child.id)}</span>
          </Link>
        </span>
      ))}
      {failed.length > FAILED_SHOWN ? (
        <span className="relative">
          <Link to={links.runs({ parent: run.id, status: statusesThat("unsuccessful") })}>All that went wrong</Link>
        </span>
      ) : null}
    </div>
  );
}
