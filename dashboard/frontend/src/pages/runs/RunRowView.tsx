import { memo } from "react";
import type { Json, RunRow } from "../../api/wire";
import { isRounded, measure } from "../../lib/measure";
import { isOpen, namedQueue, STATUS, shortId, shortType, untilLabel, waitingLabel } from "../../lib/status";
import { formatGrowing, formatRunDuration } from "../../lib/time";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Ago } from "../../ui/Ago";
import { useNow } from "../../lib/clock";
import { StatusIcon } from "../../ui/icons";
import { Strip } from "../../ui/Strip";
import { after, before, type Column } from "./columns";

interface Props {
  row: RunRow;
  index: number;
  top: number;
  height: number;
  scaleMs: number;
  selected: boolean;
  current: boolean;
  columns: readonly Column[];
  onToggle: (id: string, shift: boolean) => void;
}

/** One run in the list. Draws its row; fetches nothing. */
export const RunRowView = memo(function RunRowView({
  row,
  index,
  top,
  height,
  scaleMs,
  selected,
  current,
  columns,
  onToggle,
}: Props) {
  return (
    <div
      className="run-row"
      role="row"
      aria-rowindex={index + 1}
      aria-selected={selected}
      data-current={current || undefined}
      data-run={row.id}
      data-status={row.status}
      style={{ transform: `translateY(${top}px)`, height: `${height}px` }}
    >
      <span role="gridcell" className="cell-check">
        <input
          type="checkbox"
          checked={selected}
          aria-label={`Select ${row.workflow} ${row.id}`}
          readOnly
          onClick={(event) => onToggle(row.id, event.shiftKey)}
        />
      </span>
      {before(columns).map((column) => (
        <Cell key={column} column={column} row={row} scaleMs={scaleMs} />
      ))}
      <span role="gridcell" className="cell-workflow">
        <Link to={links.run(row.id)} className="run-link" data-row-link>
          {row.workflow}
        </Link>
        <span className="run-id" title={row.id}>
          {shortId(row.id)}
        </span>
      </span>
      {after(columns).map((column) => (
        <Cell key={column} column={column} row={row} scaleMs={scaleMs} />
      ))}
    </div>
  );
});

interface CellProps {
  column: Column;
  row: RunRow;
  scaleMs: number;
}

function Cell({ column, row, scaleMs }: CellProps) {
  switch (column) {
    case "status":
      return (
        <span role="gridcell" className="cell-status">
          <StatusIcon status={row.status} />
          <span className="status-text">{STATUS[row.status].label}</span>
        </span>
      );
    case "note":
      return (
        <span role="gridcell" className="cell-note">
          <Note row={row} />
        </span>
      );
    case "queue":
      return <TextCell text={namedQueue(row.queue)} />;
    case "version":
      return <TextCell text={row.workflowVersion} />;
    case "executor":
      return <TextCell text={row.executor} />;
    case "strip":
    case "duration":
      return <TimeCell column={column} row={row} scaleMs={scaleMs} />;
    case "created":
      return (
        <span role="gridcell" className="cell-created num">
          <Ago at={row.createdAt} />
        </span>
      );
    default:
      return <TextCell text={attributeText(row.searchAttributes[column.slice("attr:".length)])} />;
  }
}

function TextCell({ text }: { text: string | null | undefined }) {
  return (
    <span role="gridcell" className="cell-text" title={text ?? undefined}>
      {text ?? ""}
    </span>
  );
}

function attributeText(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function TimeCell({ column, row, scaleMs }: CellProps) {
  const now = useNow(isOpen(row));
  const { queueMs, workMs } = measure(row, now);
  if (column === "strip") {
    return (
      <span role="gridcell" className="cell-strip">
        {isTelling(row, queueMs + workMs) ? (
          <Strip
            queueMs={queueMs}
            workMs={workMs}
            scaleMs={Math.max(scaleMs, queueMs + workMs)}
            status={row.status}
            waiting={row.status === "suspended"}
          />
        ) : null}
      </span>
    );
  }
  return (
    <span role="gridcell" className="cell-duration num">
      {!isOpen(row) ? (
        row.durationMs === undefined ? null : (
          formatRunDuration(row.durationMs)
        )
      ) : workMs === 0 && queueMs > 0 ? (
        <span className="muted">{formatGrowing(queueMs)}</span>
      ) : (
        formatGrowing(workMs)
      )}
    </span>
  );
}

const ROUNDING_MS = 2000;

/** A length of which the store knows only that it is a second or two is not drawn as if it were measured. */
function isTelling(row: RunRow, ms: number): boolean {
  return row.finishedAt === undefined || !isRounded(row) || ms > ROUNDING_MS;
}

/** Why it is as it is: why it failed or died, what it waits for, why nobody runs it. */
function Reason({ row }: { row: RunRow }) {
  if (row.status === "failed" && row.error) {
    const { type, step, message } = row.error;
    return (
      <span className="note-reason" data-settled={row.dealtWith !== undefined || undefined} title={message}>
        {type ? <strong>{shortType(type)}</strong> : null}
        {step ? ` · ${step}` : ""}
        {message ? <span className="note-message"> {message}</span> : null}
      </span>
    );
  }
  if (row.status === "dead") return <span className="note-reason">given up after {row.recoveryAttempts} starts</span>;
  if (row.status === "blocked" && row.blocked) {
    return (
      <span className="note-reason" title={row.blocked.remedy}>
        {row.blocked.reason}
      </span>
    );
  }
  if (row.status === "cancelled" && row.timedOut) return <span>its timeout passed</span>;
  return null;
}

function Note({ row }: { row: RunRow }) {
  // The queue has a column of its own.
  const waits = row.waiting && row.status !== "blocked" && !(row.waiting.on === "queue" && row.waiting.name);
  return (
    <>
      <Reason row={row} />
      {row.dealtWith ? (
        <span className="tag" title={row.dealtWith.note}>
          {row.dealtWith.state === "ignored" ? "ignored" : "dealt with"}
        </span>
      ) : null}
      {row.waiting && waits ? (
        <span className="note-wait">
          {waitingLabel(row.waiting)}
          {row.waiting.until ? (
            <>
              {" "}
              · {untilLabel(row.waiting)} <Ago at={row.waiting.until} />
            </>
          ) : null}
        </span>
      ) : null}
      {row.recoveryAttempts > 1 ? (
        <span className="tag" data-tone="warn" title="Times the engine started it">
          ×{row.recoveryAttempts}
        </span>
      ) : null}
      {row.deadRunId ? <span className="tag">dead letter</span> : null}
      {row.undoesId ? <span className="tag">undo</span> : null}
      {row.undoStuck ? (
        <span className="tag" data-tone="warn" title="Some compensations failed: retry the undo">
          undo stuck
        </span>
      ) : row.undoId && row.status !== "cancelling" ? (
        <span className="tag">undone</span>
      ) : null}
      {row.forkedFrom ? <span className="tag">fork</span> : null}
      {row.schedule ? <span className="tag">schedule</span> : null}
      {row.parentId ? (
        <span className="tag" title={row.parentId}>
          child
        </span>
      ) : null}
      {row.tags.map((tag) => (
        <span key={tag} className="tag">
          {tag}
        </span>
      ))}
    </>
  );
}
