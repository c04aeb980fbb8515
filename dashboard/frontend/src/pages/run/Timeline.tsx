import { type PointerEvent, useEffect, useEffectEvent, useMemo, useRef, useState } from "react";
import type { RunDetail, Step } from "../../api/wire";
import { isRounded } from "../../lib/measure";
import { isHeld, isOpen, KIND_LABEL, STATUS, stepLabel } from "../../lib/status";
import { axisTicks, formatDuration, formatGrowing, formatOffset, parseTime } from "../../lib/time";
import { childRows } from "./children";
import { LaneHead } from "./LaneHead";
import {
  type Bar,
  barOf,
  isKept,
  isQueued,
  type Lane,
  lanesOf,
  orderSteps,
  pan,
  place,
  type Range,
  rangeOf,
  zoom,
} from "./bars";
import { BULK_WORKFLOW, BulkRun } from "../../features/bulk/BulkRun";
import { IconButton } from "../../ui/Button";
import { Empty } from "../../ui/Notice";
import { useQuickNow } from "../../lib/clock";
import { KindIcon, StatusIcon } from "../../ui/icons";
import { NARROW, useMedia } from "../../ui/media";
import { useWindow } from "../../ui/useWindow";
import { useTiming } from "./useTiming";

const ROW_PX = 30;
const HEAD_PX = 38;
/** With earlier attempts, so much of the axis is shown at least. */
const LEAST_SHOWN_MS = 2000;

interface Props {
  detail: RunDetail;
  selected: number | null;
  onSelect: (seq: number | null) => void;
}

/** Every step on one time axis: hatched in the queue, solid at work, dotted while parked. */
export function Timeline({ detail, selected, onSelect }: Props) {
  const { run, timeline } = detail;
  const [housekeeping, setHousekeeping] = useState(false);
  const [view, setView] = useState<Range | null>(null);
  const narrow = useMedia(NARROW);
  const active = isOpen(run) || timeline.some((step) => step.finishedAt === undefined && step.status !== "failed");
  const quick = useQuickNow(active && isOpen(run));
  const runEnd = parseTime(run.finishedAt);
  // Time stands still for a run that has ended: its bars are placed once.
  const now = quick || (runEnd ?? parseTime(run.updatedAt) ?? 0);
  const scroller = useRef<HTMLDivElement>(null);
  const plot = useRef<HTMLDivElement>(null);

  const steps = useMemo(() => orderSteps(timeline, housekeeping), [timeline, housekeeping]);
  const hidden = useMemo(() => timeline.filter((step) => step.housekeeping).length, [timeline]);
  const path = useTiming(run)?.criticalPath;
  const critical = useMemo(() => new Set(path), [path]);
  const children = useMemo(() => new Map(childRows(detail).map((child) => [child.id, child])), [detail]);
  const bars = useMemo(
    () =>
      steps.map((step) =>
        barOf(
          step,
          now,
          run.status === "cancelling" ? null : runEnd,
          step.childRunId ? children.get(step.childRunId) : undefined,
        ),
      ),
    [steps, now, runEnd, run.status, children],
  );
  // A run that was retried: its axis begins with its last attempt, and the earlier ones begin there too.
  const begun = detail.attempts.length > 1 ? parseTime(detail.attempts.at(-1)?.enqueuedAt) : null;
  const inAttempt = useMemo(() => bars.filter((bar) => !isKept(bar, begun)), [bars, begun]);
  const own = rangeOf(run, inAttempt, now, begun);
  const lanes = useMemo(() => lanesOf(detail.attempts, own.from), [detail.attempts, own.from]);
  const longest = Math.max(0, ...lanes.map((lane) => lane.bar.endAt - own.from));
  const whole = { from: own.from, to: Math.max(own.to, own.from + longest) };
  // A long earlier attempt does not make the last one a speck: first its beginning is shown, zooming out shows the rest.
  const first = {
    from: own.from,
    to: Math.min(whole.to, own.from + Math.max((own.to - own.from) * 20, LEAST_SHOWN_MS)),
  };
  const entries = useMemo(() => entriesOf(bars, lanes), [bars, lanes]);
  const shown = view ?? first;
  const zoomed = shown.to - shown.from < whole.to - whole.from;
  const { ticks } = axisTicks(shown.from - whole.from, shown.to - whole.from, narrow ? 3 : 8);

  const rows = useWindow(scroller, entries.length, ROW_PX, HEAD_PX);
  const { show: showRow } = rows;
  const index = selected === null ? -1 : steps.findIndex((step) => step.seq === selected);
  useEffect(() => {
    if (index >= 0) showRow(index);
  }, [index, showRow]);

  const zoomBy = (factor: number, at?: number): void => {
    const next = zoom(shown, whole, factor, at ?? (shown.from + shown.to) / 2);
    setView(next);
  };
  const timeAt = (clientX: number): number => {
    const box = plot.current?.getBoundingClientRect();
    if (!box || box.width === 0) return shown.from;
    return shown.from + ((clientX - box.left) / box.width) * (shown.to - shown.from);
  };
  const onWheel = useEffectEvent((event: WheelEvent) => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      zoomBy(Math.exp(event.deltaY / 240), timeAt(event.clientX));
    } else if (view && Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      setView(pan(view, whole, (event.deltaX / 800) * (view.to - view.from)));
    }
  });
  useEffect(() => {
    const element = scroller.current;
    const listen = (event: WheelEvent): void => onWheel(event);
    element?.addEventListener("wheel", listen, { passive: false });
    return () => element?.removeEventListener("wheel", listen);
  }, []);

  // A drag across the axis zooms into what it covers.
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const beginDrag = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const at = timeAt(event.clientX);
    setDrag({ from: at, to: at });
  };
  const endDrag = (): void => {
    if (drag) {
      const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
      if (to - from > (shown.to - shown.from) / 100) setView({ from, to: Math.max(to, from + 2) });
    }
    setDrag(null);
  };

  // Run times can be whole seconds: the root covers its steps, as its span does.
  const created = own.from;
  const waits = run.status === "pending" || (run.status === "blocked" && !isHeld(run));
  const rootStart = waits ? own.to : created + (run.queueMs ?? 0);
  const rootPlace = waits ? null : place(rootStart, own.to, shown);
  const rootQueue = rootStart > created ? place(created, rootStart, shown) : null;
  const nowPlace = isOpen(run) ? place(now, now, shown) : null;
  const dragPlace = drag ? place(Math.min(drag.from, drag.to), Math.max(drag.from, drag.to), shown) : null;

  return (
    <div className="timeline">
      <div className="tl-tools">
        <span className="muted small">
          {formatDuration(shown.to - shown.from)} shown{zoomed ? ` of ${formatDuration(whole.to - whole.from)}` : ""}
          {detail.nextStep !== undefined ? (
            <span>
              {" "}
              · the first {timeline.length.toLocaleString("en-US")} of {detail.stepsTotal.toLocaleString("en-US")} steps
            </span>
          ) : null}
          {isRounded(run) && steps.length > 0 ? (
            <span title="This store keeps the times of runs in whole seconds; steps are exact"> · run ±1 s</span>
          ) : null}
        </span>
        <span className="grow" />
        {hidden > 0 ? (
          <label className="check small">
            <input type="checkbox" checked={housekeeping} onChange={(event) => setHousekeeping(event.target.checked)} />
            <span>Bookkeeping ({hidden})</span>
          </label>
        ) : null}
        <Legend critical={critical.size > 0} />
        <IconButton icon="minus" label="Zoom out" disabled={!zoomed} onClick={() => zoomBy(2)} />
        <IconButton icon="plus" label="Zoom in" onClick={() => zoomBy(0.5)} />
        <IconButton
          icon="fit"
          label="Whole run"
          disabled={!zoomed}
          onClick={() => setView(isOpen(run) && first.to === whole.to ? null : whole)}
        />
      </div>
      <div className="tl-scroll" ref={scroller}>
        <div className="tl-head">
          <div className="tl-name tl-corner">
            <StatusIcon status={run.status} size={14} />
            <span className="tl-label" title={run.workflow}>
              {run.workflow}
            </span>
          </div>
          <div
            className="tl-plot tl-axis"
            ref={plot}
            onPointerDown={beginDrag}
            onPointerMove={(event) => {
              if (drag) setDrag({ ...drag, to: timeAt(event.clientX) });
            }}
            onPointerUp={endDrag}
            onPointerCancel={() => setDrag(null)}
            title="Drag to zoom in"
          >
            {ticks.map((tick) => {
              const at = place(tick + whole.from, tick + whole.from, shown);
              return at ? (
                <span
                  key={tick}
                  className="tl-tick"
                  style={{ left: `${at.left}%` }}
                  data-edge={at.left > 94 || undefined}
                >
                  {formatOffset(tick)}
                </span>
              ) : null;
            })}
            {rootQueue ? (
              <span
                className="bar-queue tl-root"
                style={{ left: `${rootQueue.left}%`, width: `${rootQueue.width}%` }}
              />
            ) : null}
            {rootPlace ? (
              <span
                className="bar-work tl-root"
                data-status={run.status}
                style={{ left: `${rootPlace.left}%`, width: `${rootPlace.width}%` }}
              />
            ) : null}
            {dragPlace ? (
              <span className="tl-drag" style={{ left: `${dragPlace.left}%`, width: `${dragPlace.width}%` }} />
            ) : null}
          </div>
        </div>
        {bars.length === 0 && run.workflow === BULK_WORKFLOW ? <BulkRun id={run.id} /> : null}
        {bars.length === 0 && run.workflow !== BULK_WORKFLOW ? (
          <Empty title={isOpen(run) ? "No steps yet" : "No steps"} icon="play">
            {isOpen(run)
              ? "They appear here as the workflow reaches them."
              : "This run ended without recording a step."}
          </Empty>
        ) : null}
        <div className="tl-canvas" role="group" aria-label="Steps" style={{ height: `${rows.height}px` }}>
          <div className="tl-grid" aria-hidden="true">
            {ticks.map((tick) => {
              const at = place(tick + whole.from, tick + whole.from, shown);
              return at ? <span key={tick} className="tl-gridline" style={{ left: `${at.left}%` }} /> : null;
            })}
            {nowPlace ? <span className="tl-now" style={{ left: `${nowPlace.left}%` }} /> : null}
          </div>
          {entries.slice(rows.from, rows.to).map((entry, offset) => {
            const top = (rows.from + offset) * ROW_PX;
            if ("lane" in entry)
              return <LaneHead key={`lane ${entry.lane.attempt.n}`} lane={entry.lane} top={top} view={shown} />;
            const { bar, attempt } = entry;
            return (
              <Row
                key={`${attempt ?? ""} ${bar.step.seq}`}
                bar={bar}
                top={top}
                view={shown}
                narrow={narrow}
                kept={attempt === null && isKept(bar, begun)}
                critical={attempt === null && critical.has(bar.step.seq)}
                selected={attempt === null && bar.step.seq === selected}
                onSelect={attempt === null ? onSelect : null}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** A row: a step (of the run as it is, or of an earlier attempt), or the head of an earlier attempt. */
type Entry = { bar: Bar; attempt: number | null } | { lane: Lane };

function entriesOf(bars: readonly Bar[], lanes: readonly Lane[]): Entry[] {
  const entries: Entry[] = bars.map((bar) => ({ bar, attempt: null }));
  for (const lane of lanes) {
    entries.push({ lane });
    for (const bar of lane.steps) entries.push({ bar, attempt: lane.attempt.n });
  }
  return entries;
}

function Legend({ critical }: { critical: boolean }) {
  return (
    <span className="legend" aria-label="Legend">
      <span>
        <i className="swatch bar-queue" />
        queue
      </span>
      <span>
        <i className="swatch bar-work" data-status="completed" />
        work
      </span>
      <span>
        <i className="swatch bar-work" data-waiting data-status="suspended" />
        waiting
      </span>
      {critical ? (
        <span title="The chain of steps that the end waited for">
          <i className="swatch bar-critical" />
          critical path
        </span>
      ) : null}
    </span>
  );
}

interface RowProps {
  bar: Bar;
  top: number;
  view: Range;
  /** Its result was taken over from an earlier attempt. */
  kept: boolean;
  /** The run's end waited for it. */
  critical: boolean;
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

function Row({ bar, top, view, kept, critical, narrow, selected, onSelect }: RowProps) {
  const { step } = bar;
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
  return (
    <button
      type="button"
      className="tl-row"
      style={{ transform: `translateY(${top}px)` }}
      aria-current={selected || undefined}
      data-status={step.status}
      data-housekeeping={step.housekeeping || undefined}
      data-undo={step.compensates !== undefined || undefined}
      data-step={step.seq}
      data-kept={kept || undefined}
      data-critical={critical || undefined}
      disabled={onSelect === null}
      onClick={() => onSelect?.(selected ? null : step.seq)}
    >
      <span className="tl-name">
        <KindIcon kind={step.kind} size={14} />
        <span className="tl-label" title={step.name}>
          {stepLabel(step.name, step.compensates)}
        </span>
        {step.status === "failed" ? <StatusIcon status="failed" size={12} /> : null}
        {step.status === "interrupted" ? (
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
}
