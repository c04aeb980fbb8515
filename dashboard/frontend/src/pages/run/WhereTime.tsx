import type { RunRow, Timing, Usual } from "../../api/wire";
import { isOpen, stepLabel } from "../../lib/status";
import { formatDuration, formatRunDuration } from "../../lib/time";
import { useTiming } from "./useTiming";
import css from "./WhereTime.module.css";

const PARTS = [
  { key: "queueMs", label: "in queue", className: "bar-queue" },
  { key: "workMs", label: "at work", className: "bar-work" },
  { key: "waitingMs", label: "waiting", className: "bar-work", waiting: true },
  { key: "betweenMs", label: "between steps", className: css.between },
] as const;

/** A step that takes twice its usual time is worth a look. */
const SLOW = 2;

/** "usually 0.6 s (p95 1.1 s)". */
export function usualWords(usual: Usual): string {
  const p95 = usual.p95Ms > usual.medianMs ? ` (p95 ${formatRunDuration(usual.p95Ms)})` : "";
  return `usually ${formatRunDuration(usual.medianMs)}${p95}`;
}

export function isSlow(ms: number, usual: Usual): boolean {
  return ms > usual.p95Ms && ms >= SLOW * usual.medianMs;
}

/** Where the run's time went: one bar of four parts, their figures, and the longest steps beside what is usual. */
export function WhereTime({ run, onStep }: { run: RunRow; onStep: (seq: number) => void }) {
  const timing = useTiming(run);
  if (!timing || timing.totalMs === 0) return null;
  const shown = PARTS.filter(({ key }) => timing[key] > 0);
  return (
    <section className={css.where} aria-label="Where time went">
      <div className={css.bar} aria-hidden="true">
        {shown.map((part) => (
          <span
            key={part.key}
            className={part.className}
            data-status={"waiting" in part ? "suspended" : run.status}
            data-waiting={"waiting" in part || undefined}
            style={{ flexGrow: timing[part.key] }}
          />
        ))}
      </div>
      <p className={css.figures}>
        <strong>{formatDuration(timing.totalMs)}</strong>
        {shown.map((part) => (
          <span key={part.key} className={css.figure}>
            <i
              className={`${css.swatch} ${part.className}`}
              data-status={"waiting" in part ? "suspended" : run.status}
              data-waiting={"waiting" in part || undefined}
            />
            {formatDuration(timing[part.key])} {part.label}
          </span>
        ))}
        {isOpen(run) ? <span className="muted">so far</span> : null}
      </p>
      <Longest timing={timing} onStep={onStep} />
    </section>
  );
}

function Longest({ timing, onStep }: { timing: Timing; onStep: (seq: number) => void }) {
  if (timing.longest.length === 0) return null;
  return (
    <p className={css.figures}>
      <span className="muted">Longest</span>
      {timing.longest.map(({ seq, name, durationMs, usual, usualOf }) => {
        const slow = usual !== undefined && isSlow(durationMs, usual);
        return (
          <span key={seq} className={css.figure}>
            <button type="button" className="link" onClick={() => onStep(seq)}>
              {stepLabel(name, undefined)}
            </button>{" "}
            <span data-slow={slow || undefined}>{formatDuration(durationMs)}</span>
            {usual ? (
              <span
                className="muted"
                title={
                  usualOf === "run"
                    ? `Of ${usual.count} steps of this name in this run`
                    : `Of ${usual.count} in the last completed runs`
                }
              >
                usually {formatDuration(usual.medianMs)}
                {usual.p95Ms > usual.medianMs ? ` (p95 ${formatDuration(usual.p95Ms)})` : ""}
              </span>
            ) : null}
          </span>
        );
      })}
    </p>
  );
}
