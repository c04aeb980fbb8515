import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type PointerEvent, useMemo, useRef, useState } from "react";
import { activityQuery, versionsQuery } from "../../api/queries";
import type { Activity } from "../../api/wire";
import type { RunFilter } from "../../lib/filter";
import type { TimeRange } from "../../lib/range";
import { errorText } from "../../lib/errors";
import { formatCount, formatClock, parseTime } from "../../lib/time";
import { useZone } from "../../lib/zone";
import { Button } from "../../ui/Button";
import { COLOUR, type Counts, countsOf, KINDS, piecesOf, totalOf } from "./bands";
import css from "./activity.module.css";

interface Props {
  filter: RunFilter;
  onRange: (range: TimeRange) => void;
}

const HEIGHT_PX = 44;
const BAR = 10;
const GAP = 2;

/** Runs over time above their list: what failed at the base of each bar. Drag, or arrows and Enter, to choose a time. */
export function ActivityBand({ filter, onRange }: Props) {
  const query = useQuery(activityQuery(filter));
  const versions = useQuery({ ...versionsQuery, refetchInterval: false, staleTime: 60_000 });
  const seen = versions.data?.map(({ version, firstSeenAt }) => ({ version, at: parseTime(firstSeenAt) ?? 0 })) ?? [];
  return (
    <div className={css.place}>
      {query.data ? (
        <Band activity={query.data} seen={seen} onRange={onRange} />
      ) : query.isError ? (
        <div className={css.failed} role="status">
          Runs over time could not be read: {errorText(query.error)}
          <Button onClick={() => void query.refetch()} busy={query.isFetching}>
            Try again
          </Button>
        </div>
      ) : null}
    </div>
  );
}

interface BandProps {
  activity: Activity;
  seen: { version: string; at: number }[];
  onRange: (range: TimeRange) => void;
}

/** The buckets chosen, from where the choice began to where it is. */
interface Choice {
  anchor: number;
  at: number;
}

function Band({ activity, seen, onRange }: BandProps) {
  const zone = useZone();
  const { buckets, bucketMs } = activity;
  const last = buckets.length - 1;
  const since = parseTime(activity.since) ?? 0;
  const until = parseTime(activity.until) ?? 0;
  const counts = useMemo(() => buckets.map(countsOf), [buckets]);
  const most = Math.max(1, ...counts.map(totalOf));
  const [choice, setChoice] = useState<Choice | null>(null);
  const [dragging, setDragging] = useState(false);
  const box = useRef<HTMLDivElement>(null);

  const startOf = (index: number): number => since + index * bucketMs;
  const endOf = (index: number): number => Math.min(until, startOf(index + 1));
  const bucketAt = (clientX: number): number => {
    const rect = box.current?.getBoundingClientRect();
    const share = rect && rect.width > 0 ? (clientX - rect.left) / rect.width : 0;
    return Math.min(last, Math.max(0, Math.floor(((until - since) * share) / bucketMs)));
  };
  const choose = ({ anchor, at }: Choice): void => {
    const [from, to] = [Math.min(anchor, at), Math.max(anchor, at)];
    onRange({ since: new Date(startOf(from)).toISOString(), until: new Date(endOf(to)).toISOString() });
    setChoice(null);
  };

  const down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const at = bucketAt(event.clientX);
    setDragging(true);
    setChoice({ anchor: at, at });
  };
  const move = (event: PointerEvent): void => {
    const at = bucketAt(event.clientX);
    setChoice((old) => ({ anchor: dragging && old ? old.anchor : at, at }));
  };
  const up = (): void => {
    if (dragging && choice) choose(choice);
    setDragging(false);
  };
  const cancel = (): void => {
    setDragging(false);
    setChoice(null);
  };
  const press = (event: KeyboardEvent): void => {
    const from = choice?.at ?? last;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      const at = Math.min(last, Math.max(0, to));
      setChoice({ anchor: event.shiftKey ? (choice?.anchor ?? from) : at, at });
    } else if (event.key === "Enter" && choice) choose(choice);
    else if (event.key === "Escape" && choice) setChoice(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const [from, to] = choice ? [Math.min(choice.anchor, choice.at), Math.max(choice.anchor, choice.at)] : [0, last];
  const words = said(
    sum(counts.slice(from, to + 1)),
    buckets.slice(from, to + 1).every(({ exact }) => exact),
  );
  const span = `${formatClock(startOf(from), until)} – ${formatClock(endOf(to), until)}`;
  const percent = (ms: number): string => `${((ms - since) / Math.max(1, until - since)) * 100}%`;
  return (
    <>
      <div
        ref={box}
        className={css.band}
        role="slider"
        tabIndex={0}
        aria-label="Runs over time. Arrows move, Shift extends, Enter shows that time."
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={choice?.at ?? last}
        aria-valuetext={`${span}: ${words}`}
        data-dragging={dragging || undefined}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={cancel}
        onPointerLeave={() => {
          if (!dragging) setChoice(null);
        }}
        onBlur={cancel}
        onKeyDown={press}
      >
        <Drawing counts={counts} most={most} />
        {choice ? (
          <span
            className={css.chosen}
            style={{ left: percent(startOf(from)), width: `calc(${percent(endOf(to))} - ${percent(startOf(from))})` }}
          />
        ) : null}
        {seen
          .filter(({ at }) => at > since && at < until)
          .map(({ version, at }) => (
            <span
              key={version}
              className={css.deploy}
              style={{ left: percent(at) }}
              title={`Version ${version} first seen ${formatClock(at, until)}`}
            />
          ))}
      </div>
      <div className={css.legend} aria-hidden="true">
        <span>{formatClock(startOf(from), until)}</span>
        <span className={css.words}>{words}</span>
        <span>
          {formatClock(endOf(to), until)}
          {zone === "utc" ? " UTC" : ""}
        </span>
      </div>
    </>
  );
}

function Drawing({ counts, most }: { counts: Counts[]; most: number }) {
  const width = counts.length * BAR;
  return (
    <svg className={css.bars} viewBox={`0 0 ${width} ${HEIGHT_PX}`} preserveAspectRatio="none" aria-hidden="true">
      {counts.flatMap((one, index) =>
        piecesOf(one, most, HEIGHT_PX).map(({ kind, from, height }) => (
          <rect
            key={`${index} ${kind}`}
            data-status={COLOUR[kind]}
            data-kind={kind}
            x={index * BAR}
            y={HEIGHT_PX - from - height}
            width={BAR - GAP}
            height={height}
          />
        )),
      )}
    </svg>
  );
}

function sum(all: readonly Counts[]): Counts {
  const whole: Counts = { failed: 0, open: 0, cancelled: 0, completed: 0 };
  for (const one of all) for (const kind of KINDS) whole[kind] += one[kind];
  return whole;
}

/** "3 failed, 40 completed"; a lower bound is not said as a total. */
function said(counts: Counts, exact: boolean): string {
  const parts = KINDS.filter((kind) => counts[kind] > 0).map((kind) => {
    const more = !exact && kind === "completed" ? " or more" : "";
    return `${formatCount(counts[kind])}${more} ${kind}`;
  });
  return parts.length > 0 ? parts.join(", ") : "no runs";
}
