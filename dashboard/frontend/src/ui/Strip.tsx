import { memo } from "react";
import type { AnyStatus } from "../lib/status";
import "./Strip.css";

interface StripProps {
  queueMs: number;
  workMs: number;
  /** The longest of the rows shown: full width. */
  scaleMs: number;
  status: AnyStatus;
  /** Parked: drawn dotted. */
  waiting?: boolean;
}

/** Logarithmic, so that a bar of 100 ms is still seen beside one of an hour. */
function share(ms: number, scaleMs: number): number {
  if (scaleMs <= 0 || ms <= 0) return 0;
  return Math.min(100, (Math.log1p(ms / 20) / Math.log1p(scaleMs / 20)) * 100);
}

/** The signature of the page: time in the queue hatched, time at work solid, time parked dotted. */
export const Strip = memo(function Strip({ queueMs, workMs, scaleMs, status, waiting = false }: StripProps) {
  const total = share(queueMs + workMs, scaleMs);
  const queue = queueMs + workMs > 0 ? (total * queueMs) / (queueMs + workMs) : 0;
  return (
    <span className="strip" data-status={status} aria-hidden="true">
      {queueMs > 0 ? <span className="strip-queue" style={{ width: `${queue}%` }} /> : null}
      {workMs > 0 || status !== "pending" ? (
        <span
          className="strip-work"
          data-waiting={waiting || undefined}
          style={{ width: `${Math.max(total - queue, 0.8)}%` }}
        />
      ) : null}
    </span>
  );
});
