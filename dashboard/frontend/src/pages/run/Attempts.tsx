import type { RunDetail } from "../../api/wire";
import { formatDuration, formatRunDuration, parseTime } from "../../lib/time";
import { type AnyStatus, knownStatus } from "../../lib/status";
import { Clock } from "../../ui/Ago";
import { StatusIcon } from "../../ui/icons";

type Attempt = RunDetail["attempts"][number];

/** How an attempt stands. One that was moved or put back before it ended has no outcome of its own. */
export function outcomeOf({ outcome, endedAt }: Attempt): { status: AnyStatus; words: string } {
  if (outcome) return { status: knownStatus(outcome), words: outcome };
  return endedAt ? { status: "interrupted", words: "cut short" } : { status: "running", words: "under way" };
}

/** "in queue 3 s, ran 12 s". */
function lasted({ enqueuedAt, startedAt, endedAt }: Attempt): string {
  const [queued, began, ended] = [parseTime(enqueuedAt), parseTime(startedAt), parseTime(endedAt)];
  const queue =
    queued !== null && began !== null && began - queued >= 1000 ? [`queued ${formatDuration(began - queued)}`] : [];
  const ran = ended !== null ? [`ran ${formatRunDuration(ended - (began ?? queued ?? ended))}`] : [];
  return [...queue, ...ran].join(", ");
}

const CAUSE: Record<string, string> = {
  start: "started",
  retry: "retried",
  redispatch: "re-dispatched",
  move: "moved",
};

/** What became of a run each time it was put to work: shown once there was more than one time. */
export function Attempts({ attempts }: { attempts: RunDetail["attempts"] }) {
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
              </div>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}
