import type { Fold } from "../../api/wire";
import { formatDuration, parseTime } from "../../lib/time";
import { Glyph, StatusIcon } from "../../ui/icons";
import { place, type Range } from "./bars";
import { foldLabel } from "./folds";

interface Props {
  fold: Fold;
  opened: boolean;
  busy: boolean;
  top: number;
  view: Range;
  now: number;
  onToggle: () => void;
}

/** A loop in one line: what a turn does, how often, and how long the shortest, the usual and the longest turn took. */
export function FoldRow({ fold, opened, busy, top, view, now, onToggle }: Props) {
  const from = parseTime(fold.startedAt);
  const bar = from === null ? null : place(from, parseTime(fold.finishedAt) ?? now, view);
  const isLoop = fold.names.length > 0;
  const failed = (fold.byStatus.failed ?? 0) + (fold.byStatus.dead ?? 0) + (fold.byStatus.interrupted ?? 0);
  const label = foldLabel(fold);
  return (
    <button
      type="button"
      className="tl-row tl-fold"
      style={{ transform: `translateY(${top}px)` }}
      aria-expanded={opened}
      aria-busy={busy || undefined}
      data-status={failed > 0 ? "failed" : "completed"}
      onClick={onToggle}
    >
      <span className="tl-name">
        <Glyph name={opened ? "minus" : "plus"} size={14} />
        <span className="tl-label" title={label}>
          {label}
        </span>
        {isLoop ? <strong className="tl-turns">×{fold.turns.toLocaleString("en-US")}</strong> : null}
        {failed > 0 ? (
          <span className="tl-failed">
            <StatusIcon status="failed" size={12} /> {failed.toLocaleString("en-US")}
          </span>
        ) : null}
      </span>
      <span className="tl-plot">
        {bar ? <span className="bar-fold" style={{ left: `${bar.left}%`, width: `${bar.width}%` }} /> : null}
        <span className="tl-time tl-stats">
          {isLoop && fold.medianMs !== undefined
            ? `each ${formatDuration(fold.medianMs)} (${formatDuration(fold.minMs)} to ${formatDuration(fold.maxMs)})`
            : ""}
          {isLoop && fold.slowest !== undefined && !opened ? " · slowest below" : ""}
        </span>
      </span>
    </button>
  );
}

/** Reads the next part of an opened fold. */
export function MoreRow({ left, busy, top, onMore }: { left: number; busy: boolean; top: number; onMore: () => void }) {
  return (
    <button
      type="button"
      className="tl-row tl-more"
      style={{ transform: `translateY(${top}px)` }}
      disabled={busy}
      onClick={onMore}
    >
      {busy ? "Loading…" : `Show more: ${left.toLocaleString("en-US")} steps left`}
    </button>
  );
}
