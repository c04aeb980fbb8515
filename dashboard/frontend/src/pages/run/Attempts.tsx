import type { RunDetail } from "../../api/wire";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Clock } from "../../ui/Ago";
import { StatusIcon } from "../../ui/icons";
import { lasted, outcomeOf } from "./attemptWords";
import { type Attempt, begunAt } from "./bars";

const CAUSE: Record<string, string> = {
  start: "started",
  retry: "retried",
  redispatch: "re-dispatched",
  move: "moved",
  resume: "resumed",
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
                {attempt.by ? ` by ${attempt.by}` : ""}
                <BegunAt attempt={attempt} />
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

function BegunAt({ attempt }: { attempt: Attempt }) {
  const at = begunAt(attempt);
  if (!at) return null;
  return (
    <>
      , <Clock at={at} />
    </>
  );
}
