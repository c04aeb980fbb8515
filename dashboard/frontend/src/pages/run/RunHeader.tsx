import type { ReactNode } from "react";
import type { RunDetail, RunRow } from "../../api/wire";
import { isHeld, isOpen, namedQueue, shortId, STATUS } from "../../lib/status";
import { measure } from "../../lib/measure";
import { formatDuration, formatGrowing, formatRunDuration } from "../../lib/time";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Ago, Clock } from "../../ui/Ago";
import { CommandButton } from "../../ui/CommandButton";
import { CopyButton } from "../../ui/CopyButton";
import { StatusBadge } from "../../ui/StatusBadge";
import { useNow } from "../../lib/clock";
import { Glyph, StatusIcon } from "../../ui/icons";
import { Menu } from "../../ui/Menu";
import { childRows } from "./children";
import type { RunCommands } from "./commands";

interface Props {
  detail: RunDetail;
  commands: RunCommands;
}

function Worked({ run }: { run: RunRow }) {
  const now = useNow();
  return <>{formatGrowing(measure(run, now).workMs)}</>;
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Who the run is, in two lines, with the actions its state allows. */
export function RunHeader({ detail, commands }: Props) {
  const { run } = detail;
  const trace = run.traceUrl ?? null;
  const queue = namedQueue(run.queue);
  return (
    <header className="run-head">
      <div className="run-title">
        <StatusBadge status={run.status} />
        <h1>{run.workflow}</h1>
        <span className="run-title-id">
          <span className="mono" title={run.id}>
            {run.id}
          </span>
          <CopyButton text={run.id} label="Copy the run id" />
        </span>
        <Actions commands={commands} />
      </div>
      <dl className="facts">
        <Fact label="Created">
          <Clock at={run.createdAt} />{" "}
          <span className="muted">
            <Ago at={run.createdAt} />
          </span>
        </Fact>
        <Fact label="Duration">
          {run.durationMs !== undefined ? (
            formatRunDuration(run.durationMs)
          ) : isOpen(run) && run.status !== "pending" && (run.status !== "blocked" || isHeld(run)) ? (
            <Worked run={run} />
          ) : (
            <span className="muted">not started</span>
          )}
        </Fact>
        {run.queueMs ? <Fact label="In queue">{formatDuration(run.queueMs)}</Fact> : null}
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
        {Object.entries(run.searchAttributes)
          .slice(0, 6)
          .map(([key, value]) => (
            <Fact key={key} label={key}>
              <span className="mono clip">{typeof value === "string" ? value : JSON.stringify(value)}</span>
            </Fact>
          ))}
      </dl>
      <Relatives detail={detail} />
    </header>
  );
}

function Actions({ commands }: { commands: RunCommands }) {
  const items = commands.more.map(({ id, label, icon, danger, disabled, run }) => ({
    id,
    label,
    danger: danger ?? false,
    disabled: disabled ?? null,
    onSelect: () => void run(),
    ...(icon ? { icon } : {}),
  }));
  return (
    <div className="run-actions">
      {commands.first.map((command) => (
        <CommandButton key={command.id} command={command} tone={command.id === "run.cancel" ? "plain" : "primary"} />
      ))}
      {items.length > 0 ? (
        <Menu label="More actions" items={items}>
          <Glyph name="more" />
        </Menu>
      ) : null}
    </div>
  );
}

/** Parent, forks, dead letter, undo: each one click away. */
function Relatives({ detail }: { detail: RunDetail }) {
  const { run, lineage } = detail;
  const children = childRows(detail);
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
  if (shown.length === 0 && children.length === 0) return null;
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
      {children.length > 0 ? (
        <span className="relative">
          <span className="muted">Started</span>
          <Link to={links.runs({ parent: run.id })}>
            {children.length === 1 ? "1 child run" : `${children.length} child runs`}
          </Link>
        </span>
      ) : null}
    </div>
  );
}
