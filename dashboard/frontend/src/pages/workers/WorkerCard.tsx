import type { Executor } from "../../api/wire";
import { counted, shortId, statusesThat } from "../../lib/status";
import { formatGrowing, parseTime } from "../../lib/time";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Ago, Since } from "../../ui/Ago";

/** Steps at work before those that only wait. */
function busyFirst(entries: Executor["inFlight"]): Executor["inFlight"] {
  return [...entries].sort((a, b) => Number(a.name.startsWith("DBOS.")) - Number(b.name.startsWith("DBOS.")));
}

const WORKER_WORD: Record<Executor["status"], string> = { live: "Live", lost: "Lost", stopped: "Stopped" };

/** One process: since when, where, what it works on. */
export function Worker({ worker, replaced }: { worker: Executor; replaced: boolean }) {
  const alive = worker.status === "live";
  const until = parseTime(worker.lastBeatAt) ?? 0;
  return (
    <article className="card worker" data-worker={replaced ? "replaced" : worker.status}>
      <header className="card-head">
        <span className="live-dot" aria-hidden="true" />
        <h3 className="mono clip" title={worker.instanceId}>
          {worker.executorId}
        </h3>
        <span className="grow" />
        <span className="worker-state">{replaced ? "Replaced" : WORKER_WORD[worker.status]}</span>
      </header>
      <div className="card-body">
        <dl className="timings">
          <div>
            <dt>Last seen</dt>
            <dd>
              <Ago at={worker.lastBeatAt} />
            </dd>
          </div>
          <div>
            <dt>{alive ? "Up" : "Was up"}</dt>
            <dd>
              {alive ? <Since at={worker.startedAt} /> : formatGrowing(until - (parseTime(worker.startedAt) ?? until))}
            </dd>
          </div>
          {worker.host ? (
            <div>
              <dt>Host</dt>
              <dd className="mono">
                {worker.host}
                {worker.pid ? ` · ${worker.pid}` : ""}
              </dd>
            </div>
          ) : null}
          {worker.appVersion ? (
            <div>
              <dt>Version</dt>
              <dd className="mono clip" title={worker.appVersion}>
                {worker.appVersion}
              </dd>
            </div>
          ) : null}
          {worker.queues.length > 0 ? (
            <div className="worker-queues">
              <dt>{worker.queues.length === 1 ? "Queue" : `Queues (${worker.queues.length})`}</dt>
              <dd>
                {worker.queues.map((queue) => (
                  <Link key={queue} to={links.runs({ queue })} className="tag clip" title={queue}>
                    {queue}
                  </Link>
                ))}
              </dd>
            </div>
          ) : null}
          <div>
            <dt>Workflows</dt>
            <dd title={worker.workflows.join(", ")}>{worker.workflows.length}</dd>
          </div>
        </dl>
        <h4>
          {worker.inFlightTotal === 0
            ? alive
              ? "Idle"
              : "Idle when last seen"
            : alive
              ? `${counted(worker.inFlightTotal, "step")} running`
              : `${counted(worker.inFlightTotal, "step")} running when last seen`}
        </h4>
        <ul className="plain inflight">
          {busyFirst(worker.inFlight)
            .slice(0, 6)
            .map((entry) => (
              <li key={`${entry.runId}-${entry.seq ?? "run"}`}>
                <Link to={links.run(entry.runId, entry.seq === undefined ? {} : { step: entry.seq })}>
                  {entry.name}
                </Link>
                <span className="mono muted">{shortId(entry.runId)}</span>
                <span className="grow" />
                {alive ? (
                  <Since at={entry.startedAt} />
                ) : (
                  <span className="muted">{formatGrowing(until - (parseTime(entry.startedAt) ?? until))}</span>
                )}
              </li>
            ))}
          {worker.inFlightTotal > 6 ? <li className="muted">and {worker.inFlightTotal - 6} more</li> : null}
        </ul>
        {worker.status === "lost" && !replaced ? (
          <Link to={links.runs({ executor: worker.executorId, status: statusesThat("held") })} className="btn">
            Runs it held
          </Link>
        ) : null}
      </div>
    </article>
  );
}
