import type { RunDetail } from "../../api/wire";
import { formatDuration, formatRunDuration } from "../../lib/time";
import { type AnyStatus, knownStatus } from "../../lib/status";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Clock } from "../../ui/Ago";
import { StatusIcon } from "../../ui/icons";
import { type Attempt, measureAttempt } from "./bars";

/** How an attempt stands. One that was moved or put back before it ended has no outcome of its own. */
export function outcomeOf({ outcome, endedAt }: Attempt): { status: AnyStatus; words: string } {
  if (outcome) return { status: knownStatus(outcome), words: outcome };
  return endedAt ? { status: "interrupted", words: "cut short" } : { status: "running", words: "under way" };
}

/** "queued 3 s, ran 12 s ±1 s". */
export function lasted(attempt: Attempt): string {
  const { queueMs, ranMs, rounded } = measureAttempt(attempt);
  const format = rounded ? formatRunDuration : formatDuration;
  const parts = [
    ...(queueMs !== null && queueMs >= 1000 ? [`queued ${format(queueMs)}`] : []),
    ...(ranMs !== null ? [`ran ${formatRunDuration(ranMs)}`] : []),
  ];
  return parts.join(", ") + (rounded && parts.length > 0 ? " ±1 s" : "");
}

const CAUSE: Record<string, string> = {
  start: "started",
  retry: "retried",
  redispatch: "re-dispatched",
  move: "moved",
};

/** What became of a run each time it was put to work: shown once there was more than one time. */
export function Attempts({ runId, attempts }: { runId: string; attempts: RunDetail["attempts"] }) {
  if (attempts.length < 2) return null;
  return (
    <section className="attempts" aria-label="Attempts">
      <h2>Attempts</h2>
      <ol>
        {attempts.toReversed().map((attempt) => (
          <li key={attempt.n}>
            <StatusIcon status={outcomeOf(attempt).status} size={14} />
            <div>
              <strong>{attempt.n}</strong> {outcomeOf(attempt).words} <span className="muted">{lasted(attempt)}</span>
              <div className="muted small">
                {CAUSE[attempt.cause] ?? attempt.cause}
                {attempt.by ? ` by ${attempt.by}` : ""}, <Clock at={attempt.enqueuedAt} />
                {attempt.executor ? <span className="mono"> {attempt.executor}</span> : null}
                {attempt.n < attempts.length ? (
                  <>
                    {" · "}
                    <Link to={links.compare(runId, { attempt: attempt.n })}>compare</Link>
                  </>
                ) : null}
              </div>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}
