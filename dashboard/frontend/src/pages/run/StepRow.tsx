import type { Step } from "../../api/wire";
import { KIND_LABEL, STATUS, stepLabel } from "../../lib/status";
import { formatDuration, formatGrowing, parseTime } from "../../lib/time";
import { Glyph, KindIcon, StatusIcon } from "../../ui/icons";
import { type Bar, isQueued, place, type Range } from "./bars";
import { rowStyle } from "./LaneNoteRow";

interface RowProps {
  bar: Bar;
  top: number;
  view: Range;
  /** Its result was taken over from an earlier attempt. */
  kept: boolean;
  /** The run's end waited for it. */
  critical: boolean;
  /** Within a loop that is shown in one line above. */
  folded: boolean;
  /** How deep below the run: 0 is the run itself, 1 an opened child. */
  depth: number;
  /** Whether the child that it started is open; null where there is none, or no deeper level is shown. */
  opened: boolean | null;
  onToggle: (childId: string) => void;
  narrow: boolean;
  selected: boolean;
  /** Null for a step of an earlier attempt: its payloads are gone. */
  onSelect: ((seq: number | null) => void) | null;
}

/** What the eye takes from shape and colour. */
function describe(step: Step, queueMs: number, critical: boolean): string {
  const queue = queueMs > 0 && step.status !== "pending" ? `, ${formatDuration(queueMs)} in queue` : "";
  return `, ${KIND_LABEL[step.kind]}, ${step.status}${queue}${critical ? ", on the critical path" : ""}`;
}

/** One step: its name, its bar, and, where it started a child, what opens that in place. */
export function StepRow(props: RowProps) {
  const { bar, top, view, kept, critical, folded, depth, opened, onToggle, narrow, selected, onSelect } = props;
  const { step } = bar;
  const child = step.childRunId;
  const parked = step.kind === "sleep" || step.kind === "signal";
  const queueMs = bar.startAt - bar.queuedAt;
  const workMs = bar.endAt - bar.startAt;
  const queue = queueMs > 0 ? place(bar.queuedAt, bar.startAt, view) : null;
  const workEnd = bar.doneAt ?? bar.endAt;
  const work = isQueued(step) ? null : place(bar.startAt, workEnd, view);
  const uncollected = bar.doneAt !== null ? place(bar.doneAt, bar.endAt, view) : null;
  const wake = bar.open ? parseTime(step.wakeAt) : null;
  const ahead = wake !== null && wake > bar.endAt ? place(bar.endAt, wake, view) : null;
  const tail = uncollected ?? work;
  const right = tail ? tail.left + tail.width : queue ? queue.left + queue.width : 0;
  const left = queue ? queue.left : work ? work.left : 0;
  // Beside the bar where there is room: right of it, left of it, or in the margin that the plot keeps free.
  const side = right <= 86 ? "right" : left > (narrow ? 34 : 14) ? "left" : "margin";
  const text = isQueued(step)
    ? `${formatGrowing(queueMs)}${side === "margin" ? "" : " in queue"}`
    : bar.open
      ? formatGrowing(workMs)
      : formatDuration(step.durationMs ?? workMs);
  const row = (
    <button
      type="button"
      className="tl-row"
      style={rowStyle(top, depth)}
      data-depth={depth || undefined}
      aria-current={selected || undefined}
      data-status={step.status}
      data-housekeeping={step.housekeeping || undefined}
      data-undo={step.compensates !== undefined || undefined}
      data-step={step.seq}
      data-kept={kept || undefined}
      data-critical={critical || undefined}
      data-folded={folded || undefined}
      disabled={onSelect === null}
      onClick={() => onSelect?.(selected ? null : step.seq)}
      onKeyDown={(event) => {
        if (child !== undefined && opened !== null && event.key === (opened ? "ArrowLeft" : "ArrowRight"))
          onToggle(child);
      }}
    >
      <span className="tl-name">
        <KindIcon kind={step.kind} size={14} />
        <span className="tl-label" title={step.name}>
          {stepLabel(step.name, step.compensates)}
        </span>
        {step.status === "failed" ? <StatusIcon status="failed" size={12} /> : null}
        {step.status === "interrupted" && narrow ? <StatusIcon status="interrupted" size={12} /> : null}
        {step.status === "interrupted" && !narrow ? (
          <span className="tag" data-tone="warn" title={STATUS.interrupted.hint}>
            may have had its effect
          </span>
        ) : null}
        {step.attempts > 1 ? (
          <span className="tag" data-tone="warn">
            ×{step.attempts}
          </span>
        ) : null}
      </span>
      <span className="tl-plot">
        {queue ? <span className="bar-queue" style={{ left: `${queue.left}%`, width: `${queue.width}%` }} /> : null}
        {work ? (
          <span
            className="bar-work"
            data-status={step.status}
            data-waiting={parked || undefined}
            data-undo={step.compensates !== undefined || undefined}
            data-open={bar.open || undefined}
            data-cut={workEnd > view.to || undefined}
            style={{ left: `${work.left}%`, width: `${work.width}%` }}
          />
        ) : null}
        {uncollected ? (
          <span className="bar-tail" style={{ left: `${uncollected.left}%`, width: `${uncollected.width}%` }} />
        ) : null}
        {ahead ? <span className="bar-ahead" style={{ left: `${ahead.left}%`, width: `${ahead.width}%` }} /> : null}
        {kept ? (
          <span className="tl-time" style={{ left: 0 }}>
            kept from an earlier attempt · {text}
          </span>
        ) : work || queue ? (
          side === "left" ? (
            <span className="tl-time" data-side="left" style={{ right: `${100 - left}%` }}>
              {text}
            </span>
          ) : (
            <span className="tl-time" style={{ left: `${right}%` }}>
              {text}
            </span>
          )
        ) : null}
      </span>
      <span className="sr-only">{describe(step, queueMs, critical)}</span>
    </button>
  );
  if (child === undefined || opened === null) return row;
  return (
    <>
      {row}
      <button
        type="button"
        className="tl-open"
        style={rowStyle(top, depth)}
        aria-expanded={opened}
        aria-label={`Child of ${step.name}, step ${step.seq}`}
        title={opened ? "Close this child (←)" : "Open this child here (→)"}
        onClick={() => onToggle(child)}
      >
        <Glyph name="chevron" size={12} />
      </button>
    </>
  );
}
