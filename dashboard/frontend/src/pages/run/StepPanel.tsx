import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { apiUrl } from "../../api/http";
import { ApiError } from "../../lib/errors";
import { runQuery, stepQuery } from "../../api/queries";
import type { Run, Step } from "../../api/wire";
import { config } from "../../config";
import { whyReadOnly } from "../../shell/access";
import { links } from "../../shell/links";
import { KIND_LABEL, STATUS, stepLabel } from "../../lib/status";
import { formatBytes, formatDuration, parseTime } from "../../lib/time";
import { traceLink } from "../../lib/trace";
import { Link } from "../../shell/router";
import { Clock, Since } from "../../ui/Ago";
import { Button, IconButton } from "../../ui/Button";
import { CopyButton } from "../../ui/CopyButton";
import { Failure, Notice, Skeleton } from "../../ui/Notice";
import { Glyph, KindIcon, StatusIcon } from "../../ui/icons";
import { JsonView } from "../../ui/JsonView";
import { ErrorView } from "../../features/error/ErrorView";
import { StepAttempts } from "./StepAttempts";

interface Props {
  run: Run;
  seq: number;
  /** What the timeline knows already, drawn until the payloads are there. */
  brief: Step | undefined;
  /** Given where the run can be forked. */
  onFork: ((seq: number) => void) | null;
  onClose: () => void;
}

/** A step of a child that is open in place. */
export function ChildStepPanel({ id, seq, onClose }: { id: string; seq: number; onClose: () => void }) {
  const query = useQuery(runQuery(id));
  if (query.data === undefined)
    return (
      <aside className="panel" aria-label="Step">
        <header className="panel-head">
          <h2>Step {seq}</h2>
          <IconButton icon="close" label="Close the step" onClick={onClose} />
        </header>
        {query.isError ? (
          <Failure what="The child run" error={query.error} onRetry={() => void query.refetch()} />
        ) : (
          <Skeleton rows={6} />
        )}
      </aside>
    );
  const { run, timeline } = query.data;
  return (
    <StepPanel run={run} seq={seq} brief={timeline.find((step) => step.seq === seq)} onFork={null} onClose={onClose} />
  );
}

const LOG_EVERY_MS = 3000;
/** A worker tells of an attempt a moment after it ended. */
const TOLD_WITHIN_MS = 10_000;

/** How often a step's attempts are read again: while it is executing, and until its worker has told of the last one. */
function logEvery(step: Step | undefined, now: number): number | false {
  if (step?.kind !== "local") return false;
  const endedAt = parseTime(step.finishedAt);
  const open = endedAt === null ? step.status === "running" : now - endedAt < TOLD_WITHIN_MS;
  return open ? LOG_EVERY_MS : false;
}

/** A wait, or a step whose work another run does, has none; that needs no words. */
const hasAttempts = (step: Step): boolean => step.kind === "local" || (step.attemptLog?.attempts.length ?? 0) > 0;

/** One step: when, where, how long, with what and to what end. */
export function StepPanel({ run, seq, brief, onFork, onClose }: Props) {
  const inFlightOnly = brief !== undefined && brief.finishedAt === undefined;
  const query = useQuery({
    ...stepQuery(run.id, seq),
    refetchInterval: ({ state }) => logEvery(state.data, Date.now()),
  });
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  // The row changed since the payloads were read: read them again.
  const { refetch, data } = query;
  const stale =
    brief !== undefined &&
    data !== undefined &&
    // Failed, retried and failed again is another failure.
    (brief.status !== data.status || brief.startedAt !== data.startedAt || brief.finishedAt !== data.finishedAt);
  useEffect(() => {
    if (stale) void refetch();
  }, [stale, refetch]);

  const step = stale ? brief : (data ?? brief);
  if (!step) {
    return (
      <aside className="panel" aria-label="Step">
        <header className="panel-head">
          <h2 ref={heading} tabIndex={-1}>
            Step {seq}
          </h2>
          <IconButton icon="close" label="Close the step" onClick={onClose} />
        </header>
        {query.isError ? (
          <Failure what="The step" error={query.error} onRetry={() => void query.refetch()} />
        ) : (
          <Skeleton rows={6} />
        )}
      </aside>
    );
  }
  const trace = traceLink(config.traceUrl, run.traceId, step.spanId, run.id);
  const unknown = query.error instanceof ApiError && query.error.status === 404 && inFlightOnly;
  return (
    <aside className="panel" aria-label={`Step ${step.name}`} data-testid="step-panel">
      <header className="panel-head">
        <KindIcon kind={step.kind} />
        <h2 ref={heading} tabIndex={-1} title={step.name}>
          {stepLabel(step.name, step.compensates)}
        </h2>
        <IconButton icon="close" label="Close the step" onClick={onClose} />
      </header>
      <div className="panel-body">
        <p className="panel-status" data-status={step.status}>
          <StatusIcon status={step.status} />
          <strong>{step.status === "pending" && step.kind !== "signal" ? "Queued" : STATUS[step.status].label}</strong>
          <span className="muted">
            {KIND_LABEL[step.kind]} · step {step.seq}
            {step.compensates !== undefined ? ` · undoes step ${step.compensates}` : ""}
          </span>
        </p>
        {step.status === "interrupted" ? (
          <Notice tone="warn" title="It may have had its effect">
            It was in flight when its run was cancelled or its worker was lost, and nothing was recorded of its end.
          </Notice>
        ) : null}
        <Timings step={step} />
        <div className="panel-actions">
          {step.childRunId ? (
            <Link to={links.run(step.childRunId)} className="btn">
              <Glyph name="external" />
              <span>Open child run</span>
            </Link>
          ) : null}
          {trace ? (
            <a href={trace} className="btn" target="_blank" rel="noreferrer">
              <Glyph name="link" />
              <span>Open span</span>
            </a>
          ) : null}
          {onFork && step.compensates === undefined && step.finishedAt ? (
            <Button
              icon="fork"
              disabled={whyReadOnly() !== undefined}
              title={whyReadOnly()}
              onClick={() => onFork(step.seq)}
            >
              Fork from here
            </Button>
          ) : null}
        </div>
        {step.error ? (
          <section className="panel-part">
            <h3>Error</h3>
            <ErrorView error={step.error} />
          </section>
        ) : null}
        {data?.attemptLog && hasAttempts(data) ? <StepAttempts log={data.attemptLog} step={data} /> : null}
        {query.isPending ? <Skeleton rows={4} /> : null}
        {query.isError && !unknown && (data === undefined || stale) ? (
          <Failure what="The payloads" error={query.error} onRetry={() => void query.refetch()} />
        ) : null}
        {step.input !== undefined ? <Payload title="Input" value={step.input} /> : null}
        {step.output !== undefined && query.data ? <Payload title="Output" value={step.output} /> : null}
        {step.truncated ? (
          <p className="muted small">
            Cut: the whole is {formatBytes(step.truncated.bytes)}.{" "}
            <a
              href={apiUrl("/runs/{runId}/steps/{seq}", { runId: run.id, seq: step.seq }, { full: true })}
              target="_blank"
              rel="noreferrer"
            >
              Download whole
            </a>
          </p>
        ) : null}
        {query.isSuccess && step.input === undefined && step.output === undefined && !step.error && step.finishedAt ? (
          <p className="muted small">It returned nothing. The engine does not store what a step was given.</p>
        ) : null}
        <dl className="ids">
          <div>
            <dt>Step id</dt>
            <dd>
              <span className="mono">{step.stepId}</span>
              <CopyButton text={step.stepId} label="Copy the step id" />
            </dd>
          </div>
          <div>
            <dt>Span id</dt>
            <dd>
              <span className="mono">{step.spanId}</span>
              <CopyButton text={step.spanId} label="Copy the span id" />
            </dd>
          </div>
        </dl>
      </div>
    </aside>
  );
}

function Timings({ step }: { step: Step }) {
  const queue = step.queueMs ?? 0;
  const work = step.durationMs ?? 0;
  const rows: [string, React.ReactNode][] = [];
  if (step.enqueuedAt && queue > 0) rows.push(["Enqueued", <Clock key="q" at={step.enqueuedAt} />]);
  if (step.startedAt) rows.push(["Started", <Clock key="s" at={step.startedAt} />]);
  if (step.finishedAt) rows.push(["Ended", <Clock key="e" at={step.finishedAt} />]);
  if (step.wakeAt && !step.finishedAt) rows.push(["Wakes", <Clock key="w" at={step.wakeAt} />]);
  if (queue > 0) rows.push(["In queue", formatDuration(queue)]);
  rows.push([
    "Duration",
    step.durationMs !== undefined ? (
      formatDuration(step.durationMs)
    ) : step.startedAt && !step.finishedAt ? (
      <Since key="d" at={step.startedAt} />
    ) : (
      "–"
    ),
  ]);
  if (step.workerGroup) rows.push(["Worker group", step.workerGroup]);
  if (step.executor)
    rows.push([
      "Executor",
      <span key="x" className="mono">
        {step.executor}
      </span>,
    ]);
  if (step.attempts > 1) rows.push(["Attempts", String(step.attempts)]);
  if (step.waitsOn) rows.push(["Waits on", step.waitsOn]);
  return (
    <>
      {queue + work > 0 ? (
        <div className="panel-strip" aria-hidden="true">
          {queue > 0 ? <span className="bar-queue" style={{ width: `${(queue / (queue + work)) * 100}%` }} /> : null}
          <span
            className="bar-work"
            data-status={step.status}
            data-waiting={step.kind === "sleep" || step.kind === "signal" || undefined}
          />
        </div>
      ) : null}
      <dl className="timings">
        {rows.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Payload({ title, value }: { title: string; value: NonNullable<Step["output"]> | null }) {
  return (
    <section className="panel-part">
      <h3>
        {title}
        <CopyButton text={JSON.stringify(value, null, 2)} label={`Copy the ${title.toLowerCase()}`} />
      </h3>
      <JsonView value={value} label={title} />
    </section>
  );
}
