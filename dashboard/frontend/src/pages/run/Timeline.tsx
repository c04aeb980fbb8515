import { useQuery } from "@tanstack/react-query";
import { type PointerEvent, useEffect, useEffectEvent, useMemo, useRef, useState } from "react";
import { stepsFoundQuery } from "../../api/queries";
import type { Fold, RunDetail } from "../../api/wire";
import { BULK_WORKFLOW, BulkRun } from "../../features/bulk/BulkRun";
import { useQuickNow } from "../../lib/clock";
import { isRounded } from "../../lib/measure";
import { counted, isHeld, isOpen } from "../../lib/status";
import { axisTicks, formatCount, formatDuration, formatOffset, parseTime } from "../../lib/time";
import { useDebounced } from "../../lib/useDebounced";
import { Button, IconButton } from "../../ui/Button";
import { StatusIcon } from "../../ui/icons";
import { NARROW, useMedia } from "../../ui/media";
import { Empty } from "../../ui/Notice";
import { useWindow } from "../../ui/useWindow";
import { barOf, begunAt, isKept, type Lane, lanesOf, orderSteps, pan, place, type Range, rangeOf, zoom } from "./bars";
import { childRows } from "./children";
import { FoldRow, MoreRow } from "./FoldRow";
import { entriesOf, withOpened } from "./folds";
import { LaneHead } from "./LaneHead";
import { LaneNoteRow } from "./LaneNoteRow";
import { MOST_LEVELS, withLanes, wrongChildren } from "./lanes";
import { StepRow } from "./StepRow";
import { useFolds } from "./useFolds";
import type { OpenChildren } from "./useLanes";
import { useTiming } from "./useTiming";

const ROW_PX = 30;
const HEAD_PX = 38;
/** With earlier attempts, so much of the axis is shown at least. */
const LEAST_SHOWN_MS = 2000;

const SEARCH_DELAY_MS = 250;
/** Fewer steps are found by looking. */
const SEARCHED_FROM = 12;
const NO_FOLDS: readonly Fold[] = [];
const NO_LANES: readonly Lane[] = [];

/** "17 steps match"; of very many, that more do. */
function foundWords({ timeline, nextStep }: RunDetail): string {
  const count = timeline.filter((step) => !step.housekeeping).length;
  return nextStep === undefined ? `${counted(count, "step")} found` : `the first ${count} that match`;
}

interface Props {
  detail: RunDetail;
  selected: number | null;
  /** The opened child that the selected step belongs to; null: the run itself. */
  of: string | null;
  opened: OpenChildren;
  onSelect: (seq: number | null, of?: string) => void;
}

/** Every step on one time axis: hatched in the queue, solid at work, dotted while parked. */
export function Timeline({ detail, selected, of, opened, onSelect }: Props) {
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

  const folds = useFolds(run.id);
  const [text, setText] = useState("");
  const sought = useDebounced(text.trim(), SEARCH_DELAY_MS);
  const found = useQuery(stepsFoundQuery(run.id, sought));
  const results = sought === "" ? undefined : found.data;
  const hides = results ? NO_FOLDS : (detail.folds ?? NO_FOLDS);
  const all = useMemo(
    () => (results ? results.timeline : withOpened(timeline, folds.opened)),
    [results, timeline, folds.opened],
  );
  const steps = useMemo(() => orderSteps(all, housekeeping), [all, housekeeping]);
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
  const begun = detail.attempts.length > 1 ? parseTime(begunAt(detail.attempts.at(-1))) : null;
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
  const entries = useMemo(
    () => withLanes(entriesOf(bars, results ? NO_LANES : lanes, hides, folds.opened), opened.lanes, now),
    [bars, lanes, results, hides, folds.opened, opened.lanes, now],
  );
  const wrongBelow = useMemo(() => wrongChildren(detail).length > 0, [detail]);
  const shown = view ?? first;
  const zoomed = shown.to - shown.from < whole.to - whole.from;
  const { ticks } = axisTicks(shown.from - whole.from, shown.to - whole.from, narrow ? 3 : 8);

  const rows = useWindow(scroller, entries.length, ROW_PX, HEAD_PX);
  const { show: showRow } = rows;
  const index =
    selected === null
      ? -1
      : entries.findIndex(
          (entry) =>
            "bar" in entry && entry.attempt === null && entry.bar.step.seq === selected && (entry.of ?? null) === of,
        );
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
          {isRounded(run) && steps.length > 0 ? (
            <span title="This store keeps the times of runs in whole seconds; steps are exact"> · run ±1 s</span>
          ) : null}
        </span>
        {detail.stepsTotal >= SEARCHED_FROM ? (
          <input
            type="search"
            className="input tl-search"
            value={text}
            placeholder="Find a step or error"
            aria-label="Find steps by name or error"
            spellCheck={false}
            autoComplete="off"
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape") setText("");
            }}
          />
        ) : null}
        {results ? <span className="muted small">{foundWords(results)}</span> : null}
        {wrongBelow ? (
          <Button onClick={() => void opened.openWrong(detail)} title="Open the children that failed, and theirs">
            Where it failed
          </Button>
        ) : null}
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
        {entries.length === 0 && run.workflow === BULK_WORKFLOW ? <BulkRun id={run.id} /> : null}
        {entries.length === 0 && results ? <Empty title="No step matches" icon="search" /> : null}
        {entries.length === 0 && !results && run.workflow !== BULK_WORKFLOW ? (
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
            if ("more" in entry)
              return (
                <MoreRow
                  key={`more ${entry.more.first}`}
                  left={entry.left}
                  busy={folds.busy === entry.more.first}
                  top={top}
                  onMore={() => folds.more(entry.more)}
                />
              );
            if ("opened" in entry)
              return (
                <FoldRow
                  key={`fold ${entry.fold.first}`}
                  fold={entry.fold}
                  opened={entry.opened}
                  busy={folds.busy === entry.fold.first}
                  top={top}
                  view={shown}
                  now={now}
                  onToggle={() => folds.toggle(entry.fold)}
                />
              );
            if ("note" in entry)
              return <LaneNoteRow key={`${entry.note} ${entry.of}`} entry={entry} top={top} onMore={opened.more} />;
            const { bar, attempt, depth = 0 } = entry;
            const child = bar.step.childRunId;
            const opens = child !== undefined && attempt === null && depth < MOST_LEVELS;
            return (
              <StepRow
                key={`${attempt ?? ""} ${entry.of ?? ""} ${bar.step.seq}`}
                depth={depth}
                opened={opens ? opened.lanes.has(child) : null}
                onToggle={opened.toggle}
                bar={bar}
                top={top}
                view={shown}
                narrow={narrow}
                kept={attempt === null && depth === 0 && isKept(bar, begun)}
                critical={attempt === null && depth === 0 && critical.has(bar.step.seq)}
                folded={entry.fold !== null}
                selected={attempt === null && bar.step.seq === selected && (entry.of ?? null) === of}
                onSelect={attempt === null ? (seq) => onSelect(seq, entry.of) : null}
              />
            );
          })}
        </div>
        {results ? null : <Left detail={detail} />}
      </div>
    </div>
  );
}

/** What an answer about a very long run leaves out. */
function Left({ detail }: { detail: RunDetail }) {
  if (detail.nextStep === undefined) return null;
  return (
    <p className="muted small pad">
      Of {counted(detail.stepsTotal, "step")}, those from number {formatCount(detail.nextStep)} on are not shown: they
      are too many for one answer. The API reads on from there: <code>GET runs/…?from={detail.nextStep}</code>
    </p>
  );
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
