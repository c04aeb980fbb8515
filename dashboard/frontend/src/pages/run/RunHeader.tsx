import type { ReactNode } from "react";
import type { RunDetail, RunRow } from "../../api/wire";
import { config } from "../../config";
import { type Allowed, isHeld, isOpen, namedQueue, shortId, STATUS_LABEL } from "../../lib/status";
import { measure } from "../../lib/measure";
import { formatDuration, formatGrowing, formatRunDuration } from "../../lib/time";
import { Link, runPath } from "../../shell/router";
import { Ago, Clock } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import { CopyButton } from "../../ui/CopyButton";
import { StatusBadge } from "../../ui/StatusBadge";
import { useNow } from "../../lib/clock";
import { Glyph, StatusIcon } from "../../ui/icons";
import { Menu, type MenuItem } from "../../ui/Menu";
import type { Ask } from "./RunDialogs";

const VIEWER = "You may look, not act. Ask for the operator role.";

interface Props {
  detail: RunDetail;
  allowed: Allowed;
  onAsk: (ask: Ask) => void;
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
export function RunHeader({ detail, allowed, onAsk }: Props) {
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
        <Actions run={run} allowed={allowed} onAsk={onAsk} />
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
            <Link to={`/?queue=${encodeURIComponent(queue)}`}>{queue}</Link>
          </Fact>
        ) : null}
        {run.executor ? (
          <Fact label="Executor">
            <Link to={`/?executor=${encodeURIComponent(run.executor)}`} className="mono clip" title={run.executor}>
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
            <Link to="/schedules">{run.schedule}</Link>
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
              <Link key={tag} to={`/?tag=${encodeURIComponent(tag)}`} className="tag">
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

function Actions({ run, allowed, onAsk }: { run: RunRow; allowed: Allowed; onAsk: (ask: Ask) => void }) {
  const why = config.role === "viewer" ? VIEWER : undefined;
  const blocked = why !== undefined;
  const items: MenuItem[] = [];
  const add = (item: Omit<MenuItem, "disabled">): void => {
    items.push({ ...item, disabled: why ?? null });
  };
  if (allowed.undo)
    add({
      id: "undo",
      label: run.status === "failed" || run.status === "dead" ? "Undo…" : "Cancel and undo…",
      icon: "undo",
      danger: true,
      onSelect: () => onAsk({ kind: "undo" }),
    });
  const stranded = isHeld(run);
  if (allowed.redispatch && !stranded)
    add({ id: "redispatch", label: "Re-dispatch…", icon: "send", onSelect: () => onAsk({ kind: "redispatch" }) });
  if (allowed.retryWithInput)
    add({ id: "input", label: "Retry with other input…", icon: "retry", onSelect: () => onAsk({ kind: "input" }) });
  if (allowed.fork)
    add({ id: "fork", label: "Fork from a step…", icon: "fork", onSelect: () => onAsk({ kind: "fork", seq: null }) });
  if (isOpen(run) && run.status !== "cancelling")
    add({ id: "signal", label: "Send a signal…", icon: "send", onSelect: () => onAsk({ kind: "signal" }) });
  return (
    <div className="run-actions">
      {allowed.continue ? (
        <Button tone="primary" icon="play" disabled={blocked} title={why} onClick={() => onAsk({ kind: "continue" })}>
          Continue
        </Button>
      ) : null}
      {stranded ? (
        <Button tone="primary" icon="send" disabled={blocked} title={why} onClick={() => onAsk({ kind: "redispatch" })}>
          Re-dispatch
        </Button>
      ) : null}
      {allowed.retry ? (
        <Button tone="primary" icon="retry" disabled={blocked} title={why} onClick={() => onAsk({ kind: "retry" })}>
          Retry
        </Button>
      ) : null}
      {allowed.cancel ? (
        <Button icon="stop" disabled={blocked} title={why} onClick={() => onAsk({ kind: "cancel" })}>
          Cancel
        </Button>
      ) : null}
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
  const { run, lineage, children } = detail;
  const links: [string, RunRow | undefined, string | undefined][] = [
    ["Child of", lineage.parent, run.parentId],
    ["Forked from", lineage.forkedFrom, run.forkedFrom],
    ["Handles dead run", lineage.deadRun, run.deadRunId],
    ["Dead letter handled by", lineage.deadLetter, run.deadLetterId],
    ["Undone by", lineage.undo, run.undoId],
    ["Undoes", lineage.undoes, run.undoesId],
    ...lineage.forks.map((fork): [string, RunRow, string] => ["Fork", fork, fork.id]),
  ];
  const shown = links.filter(([, row, id]) => row ?? id);
  if (shown.length === 0 && children.length === 0) return null;
  return (
    <div className="relatives">
      {shown.map(([label, row, id]) => {
        const target = row?.id ?? id ?? "";
        return (
          <span key={`${label}${target}`} className="relative">
            <span className="muted">{label}</span>
            {row ? <StatusIcon status={row.status} size={14} /> : null}
            <Link to={runPath(target)} title={row ? `${STATUS_LABEL[row.status]} · ${target}` : target}>
              {row ? row.workflow : ""} <span className="mono muted">{shortId(target)}</span>
            </Link>
          </span>
        );
      })}
      {children.length > 0 ? (
        <span className="relative">
          <span className="muted">Started</span>
          <Link to={`/?parent=${encodeURIComponent(run.id)}`}>
            {children.length === 1 ? "1 child run" : `${children.length} child runs`}
          </Link>
        </span>
      ) : null}
    </div>
  );
}
