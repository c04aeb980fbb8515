import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { pauseQueue, resumeQueue } from "../../api/actions";
import { keys } from "../../api/keys";
import { executorsQuery, workersQuery } from "../../api/queries";
import type { Executor, WorkerGroup } from "../../api/wire";
import { errorText } from "../../lib/errors";
import { counted, shortId, statusesThat } from "../../lib/status";
import { formatCount, formatDuration, formatExact, formatGrowing, parseTime } from "../../lib/time";
import { whyReadOnly } from "../../shell/access";
import { links } from "../../shell/links";
import { openOverlay, useCloseOverlay } from "../../shell/overlay";
import { Link } from "../../shell/router";
import { useAct } from "../../shell/useAct";
import { Ago, Since } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Empty, Failure, Skeleton } from "../../ui/Notice";
import "./workers.css";
import "./workers.css";

/** Queues and how full they are; workers and what they run now. */
export function WorkersPage() {
  const groups = useQuery(workersQuery);
  const executors = useQuery(executorsQuery);
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Workers</h1>
        <p className="muted">Queues with their backlog, and the processes that work on them.</p>
      </header>
      <section>
        <h2 className="section-title">Queues</h2>
        {groups.isPending ? <Skeleton rows={4} /> : null}
        {groups.isError && !groups.data ? (
          <Failure what="The queues" error={groups.error} onRetry={() => void groups.refetch()} />
        ) : null}
        {groups.data?.length === 0 ? (
          <Empty title="No queues" icon="filter">
            Register one with <code>DBOS.register_queue(name)</code> and enqueue to it.
          </Empty>
        ) : null}
        {groups.data && groups.data.length > 0 ? <Queues groups={groups.data} /> : null}
      </section>
      <section>
        <h2 className="section-title">Processes</h2>
        {executors.isPending ? <Skeleton rows={4} /> : null}
        {executors.isError && !executors.data ? (
          <Failure what="The workers" error={executors.error} onRetry={() => void executors.refetch()} />
        ) : null}
        {executors.data?.length === 0 ? (
          <Empty title="No worker reports presence" icon="help">
            Runs work all the same. With <code>DBOSInstrumentor().instrument()</code> in your workers, each shows here
            with its host, version, last heartbeat and the steps it runs.
          </Empty>
        ) : null}
        {executors.data && executors.data.length > 0 ? (
          <div className="worker-grid">
            {executors.data.map((entry) => (
              <Worker
                key={entry.instanceId}
                worker={entry}
                replaced={
                  entry.status === "lost" &&
                  executors.data.some((other) => other.status === "live" && other.executorId === entry.executorId)
                }
              />
            ))}
          </div>
        ) : null}
      </section>
    </div>
  );
}

const isOurs = ({ group }: WorkerGroup): boolean => group.startsWith("_dbos") || group.startsWith("durable.");

function pausedWhy({ pauseComment, pausedAt }: WorkerGroup): string {
  const since = pausedAt ? `Since ${formatExact(pausedAt)}` : "A limit of the queue lets nothing start";
  return pauseComment ? `${since}: ${pauseComment}` : since;
}

function limits(group: WorkerGroup): string {
  const parts: string[] = [];
  if (group.concurrency !== undefined) parts.push(`${group.concurrency} at once`);
  if (group.workerConcurrency !== undefined) parts.push(`${group.workerConcurrency} per worker`);
  if (group.rateLimitMax !== undefined) parts.push(`${group.rateLimitMax} per ${group.rateLimitPeriodS ?? 1} s`);
  return parts.length > 0 ? parts.join(", ") : "none";
}

function Queues({ groups }: { groups: WorkerGroup[] }) {
  const why = whyReadOnly();
  const deepest = Math.max(1, ...groups.map((group) => group.depth));
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Queue</th>
          <th>Waiting</th>
          <th className="num">Running</th>
          <th className="num">Oldest</th>
          <th className="wide-only">Limits</th>
          <th>Workers</th>
          <th>
            <span className="sr-only">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {groups.map((group) => {
          const live = group.liveWorkers.length;
          return (
            <tr key={group.group} data-alarm={group.noWorker || undefined}>
              <td>
                <Link to={links.runs({ queue: group.group })}>
                  <strong>{group.group}</strong>
                </Link>{" "}
                {group.group.startsWith("_dbos") ? (
                  <span className="tag">engine's own</span>
                ) : group.group.startsWith("durable.") ? (
                  <span className="tag">dashboard's own</span>
                ) : group.registered ? null : (
                  <span className="tag" data-tone="warn">
                    not registered
                  </span>
                )}{" "}
                {group.paused ? (
                  <span className="tag" data-tone="warn" title={pausedWhy(group)}>
                    paused{group.pausedBy ? ` by ${group.pausedBy}` : ""}
                  </span>
                ) : null}
              </td>
              <td data-label="Waiting">
                <span className="depth">
                  {group.depth > 0 ? (
                    <span className="depth-bar" style={{ width: `${(group.depth / deepest) * 100}%` }} />
                  ) : null}
                  <span>{formatCount(group.depth)}</span>
                </span>
              </td>
              <td data-label="Running" className="num">
                {formatCount(group.running)}
              </td>
              <td data-label="Oldest" className="num">
                {group.oldestMs === undefined || group.depth === 0 ? (
                  <span className="muted">–</span>
                ) : (
                  formatDuration(group.oldestMs)
                )}
              </td>
              <td className="wide-only muted">{limits(group)}</td>
              <td data-label="Workers">
                {group.noWorker ? (
                  <span className="outcome">no worker</span>
                ) : group.presenceKnown ? (
                  `${live} live`
                ) : (
                  <span className="muted" title="No worker of this queue reports presence">
                    unknown
                  </span>
                )}
              </td>
              <td>
                {isOurs(group) || !group.registered ? null : (
                  <div className="row-actions">
                    <Button
                      icon={group.paused ? "retry" : "pause"}
                      disabled={why !== undefined}
                      title={why}
                      onClick={() => void openOverlay(<QueueDialog group={group} />)}
                    >
                      {group.paused ? "Resume" : "Pause"}
                    </Button>
                  </div>
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function QueueDialog({ group }: { group: WorkerGroup }) {
  const close = useCloseOverlay();
  const [comment, setComment] = useState("");
  const verb = group.paused ? "Resume" : "Pause";
  const { act, isPending, error } = useAct({
    send: () => (group.paused ? resumeQueue(group.group) : pauseQueue(group.group, comment.trim())),
    said: (answer) => (answer.paused ? "Paused." : "Resumed."),
    touches: [keys.workers],
    then: close,
  });
  return (
    <Dialog
      title={`${verb} ${group.group}?`}
      confirm={verb}
      onConfirm={() => act(undefined)}
      busy={isPending}
      refusal={error ? errorText(error) : null}
    >
      {group.paused ? (
        <p>Its workers take runs from it again, at the rate that it had before the pause.</p>
      ) : (
        <>
          <p>
            Nothing more starts from it until somebody resumes it. What is under way goes on; what is put on it waits.
          </p>
          <label className="field">
            <span>Why</span>
            <input
              className="input"
              value={comment}
              maxLength={2000}
              onChange={(event) => setComment(event.target.value)}
            />
          </label>
        </>
      )}
    </Dialog>
  );
}

/** Steps at work before those that only wait. */
function busyFirst(entries: Executor["inFlight"]): Executor["inFlight"] {
  return [...entries].sort((a, b) => Number(a.name.startsWith("DBOS.")) - Number(b.name.startsWith("DBOS.")));
}

const WORKER_WORD: Record<Executor["status"], string> = { live: "Live", lost: "Lost", stopped: "Stopped" };

function Worker({ worker, replaced }: { worker: Executor; replaced: boolean }) {
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
            <div>
              <dt>Queues</dt>
              <dd>{worker.queues.join(", ")}</dd>
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
