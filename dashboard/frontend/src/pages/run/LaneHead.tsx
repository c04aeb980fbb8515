import { formatRunDuration } from "../../lib/time";
import { Clock } from "../../ui/Ago";
import { StatusIcon } from "../../ui/icons";
import { outcomeOf } from "./attemptWords";
import { begunAt, type Lane, measureAttempt, place, type Range } from "./bars";

/** An earlier attempt, from its own beginning. */
export function LaneHead({ lane: { attempt, bar }, top, view }: { lane: Lane; top: number; view: Range }) {
  const { ranMs } = measureAttempt(attempt);
  const begun = attempt.startedAt ?? begunAt(attempt);
  const queue = place(bar.queuedAt, bar.startAt, view);
  const work = place(bar.startAt, bar.endAt, view);
  const outcome = outcomeOf(attempt);
  const shownEnd = work ?? queue;
  const right = shownEnd ? shownEnd.left + shownEnd.width : 0;
  return (
    <div className="tl-row tl-lane" style={{ transform: `translateY(${top}px)` }} data-status={outcome.status}>
      <span className="tl-name">
        <StatusIcon status={outcome.status} size={14} />
        <span className="tl-label">
          Attempt {attempt.n} <span className="muted">{outcome.words}</span>
        </span>
      </span>
      <span className="tl-plot">
        {queue && bar.startAt > bar.queuedAt ? (
          <span className="bar-queue" style={{ left: `${queue.left}%`, width: `${queue.width}%` }} />
        ) : null}
        {work ? (
          <span
            className="bar-lane"
            data-cut={bar.endAt > view.to || undefined}
            style={{ left: `${work.left}%`, width: `${work.width}%` }}
          />
        ) : null}
        <span className="tl-time" style={{ left: `${right}%` }}>
          {ranMs === null ? null : formatRunDuration(bar.endAt - bar.startAt)}
          {begun && right < 75 ? (
            <>
              {ranMs === null ? null : " · "}
              <Clock at={begun} />
            </>
          ) : null}
        </span>
      </span>
    </div>
  );
}
