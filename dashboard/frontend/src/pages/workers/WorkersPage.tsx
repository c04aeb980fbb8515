import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { pauseQueue, resumeQueue } from "../../api/actions";
import { keys } from "../../api/keys";
import { executorsQuery, workersQuery } from "../../api/queries";
import type { Executor, WorkerGroup } from "../../api/wire";
import { errorText } from "../../lib/errors";
import { counted } from "../../lib/status";
import { formatCount, formatDuration, formatExact } from "../../lib/time";
import { whyReadOnly } from "../../shell/access";
import { links } from "../../shell/links";
import { openOverlay, useCloseOverlay } from "../../shell/overlay";
import { Link } from "../../shell/router";
import { useAct } from "../../shell/useAct";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Empty, Skeleton } from "../../ui/Notice";
import { AsOf, QueryView } from "../../ui/QueryView";
import { bindingOf, slotsOf } from "./slots";
import { Worker } from "./WorkerCard";
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
        <QueryView
          query={groups}
          what="The queues"
          pending={<Skeleton rows={4} />}
          empty={{
            when: (found) => found.length === 0,
            show: (
              <Empty title="No queues" icon="filter">
                Register one with <code>DBOS.register_queue(name)</code> and enqueue to it.
              </Empty>
            ),
          }}
        >
          {(found) => <Queues groups={found} />}
        </QueryView>
      </section>
      <section>
        <h2 className="section-title">Processes</h2>
        <QueryView
          query={executors}
          what="The workers"
          pending={<Skeleton rows={4} />}
          empty={{
            when: (found) => found.length === 0,
            show: (
              <Empty title="No worker reports presence" icon="help">
                Runs work all the same. With <code>DBOSInstrumentor().instrument()</code> in your workers, each shows
                here with its host, version, last heartbeat and the steps it runs.
              </Empty>
            ),
          }}
        >
          {(found) => <Processes executors={found} />}
        </QueryView>
        <AsOf at={Math.min(groups.dataUpdatedAt, executors.dataUpdatedAt)} />
      </section>
    </div>
  );
}

/** Those that are gone on purpose, or have a successor, fold: what is left is what works or should. */
function Processes({ executors }: { executors: Executor[] }) {
  const isReplaced = (worker: Executor): boolean =>
    worker.status === "lost" &&
    executors.some((other) => other.status === "live" && other.executorId === worker.executorId);
  const isGone = (worker: Executor): boolean => worker.status === "stopped" || isReplaced(worker);
  const cards = (some: Executor[]) => (
    <div className="worker-grid">
      {some.map((worker) => (
        <Worker key={worker.instanceId} worker={worker} replaced={isReplaced(worker)} />
      ))}
    </div>
  );
  const gone = executors.filter(isGone);
  const here = executors.filter((worker) => !isGone(worker));
  return (
    <>
      {here.length > 0 ? cards(here) : <p className="muted">No worker is at work now.</p>}
      {gone.length > 0 ? (
        <details className="gone">
          <summary>{counted(gone.length, "process", "processes")} stopped or replaced</summary>
          {cards(gone)}
        </details>
      ) : null}
    </>
  );
}

const isOurs = ({ group }: WorkerGroup): boolean => group.startsWith("_dbos") || group.startsWith("durable.");

function pausedWhy({ pauseComment, pausedAt }: WorkerGroup): string {
  const since = pausedAt ? `Since ${formatExact(pausedAt)}` : "A limit of the queue lets nothing start";
  return pauseComment ? `${since}: ${pauseComment}` : since;
}

/** What a queue may do, and which of it is why runs wait. */
function Limits({ group }: { group: WorkerGroup }) {
  const { concurrency, workerConcurrency, rateLimitMax, rateLimitPeriodS } = group;
  const binding = bindingOf(group);
  const parts = [
    ...(concurrency === undefined ? [] : [{ limit: "queue", words: `${concurrency} at once` }]),
    ...(workerConcurrency === undefined ? [] : [{ limit: "worker", words: `${workerConcurrency} per worker` }]),
    ...(rateLimitMax === undefined ? [] : [{ limit: "rate", words: `${rateLimitMax} per ${rateLimitPeriodS ?? 1} s` }]),
  ];
  if (parts.length === 0) return <>none</>;
  return parts.map(({ limit, words }, index) => (
    <span key={limit}>
      {index > 0 ? ", " : ""}
      {limit === binding ? (
        <strong className="binds" title="This is why its runs wait">
          {words} (reached)
        </strong>
      ) : (
        words
      )}
    </span>
  ));
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
          <th>Limits</th>
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
                {slotsOf(group) === null ? null : <span className="muted"> of {formatCount(slotsOf(group) ?? 0)}</span>}
              </td>
              <td data-label="Oldest" className="num">
                {group.oldestMs === undefined || group.depth === 0 ? (
                  <span className="muted">–</span>
                ) : (
                  formatDuration(group.oldestMs)
                )}
              </td>
              <td data-label="Limits" className="muted">
                <Limits group={group} />
              </td>
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
          <p>Runs stop starting from it until somebody resumes it. Runs in progress continue; runs put on it wait.</p>
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
