import { useQuery } from "@tanstack/react-query";
import { streamQuery, streamsQuery } from "../../api/queries";
import type { StreamView } from "../../api/wire";
import { CopyButton } from "../../ui/CopyButton";
import { JsonView } from "../../ui/JsonView";
import { Empty, Failure, Skeleton } from "../../ui/Notice";

/** So many of the newest values are shown at least; a whole part more before the next part begins. */
const PART = 100;

/** What the workflow writes with write_stream, as it comes: the run's own events have it read again. */
export function StreamsTab({ runId }: { runId: string }) {
  const query = useQuery(streamsQuery(runId));
  if (query.isPending)
    return (
      <div className="pad">
        <Skeleton />
      </div>
    );
  if (query.isError) return <Failure what="The streams" error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data.length === 0) {
    return (
      <Empty title="No streams" icon="flag">
        A workflow tells what it does, value by value, with <code>write_stream(key, value)</code>. They show here as
        they come.
      </Empty>
    );
  }
  return (
    <div className="payloads">
      {query.data.map((stream) => (
        <StreamCard key={stream.key} runId={runId} stream={stream} />
      ))}
    </div>
  );
}

function StreamCard({ runId, stream }: { runId: string; stream: StreamView }) {
  const after = lastPart(stream.count);
  const query = useQuery(streamQuery(runId, stream.key, after));
  const values = (query.data ?? []).filter((entry) => !entry.closes).map((entry) => entry.value ?? null);
  return (
    <section className="card" aria-label={`Stream ${stream.key}`}>
      <header className="card-head">
        <h2 className="mono">{stream.key}</h2>
        <span className="muted small">
          {stream.count.toLocaleString("en-US")} {stream.count === 1 ? "value" : "values"} ·{" "}
          {stream.closed ? "closed" : "open"}
        </span>
        <span className="grow" />
        <CopyButton text={JSON.stringify(values, null, 2)} label={`Copy ${stream.key}`} />
      </header>
      <div className="card-body" aria-live="off">
        {after >= 0 ? (
          <p className="muted small">The newest {values.length.toLocaleString("en-US")} are shown.</p>
        ) : null}
        {query.isError && !query.data ? (
          <Failure what="The values" error={query.error} onRetry={() => void query.refetch()} />
        ) : (
          <JsonView value={values} label={stream.key} />
        )}
      </div>
    </section>
  );
}

/** The offset behind which the values to show begin: it moves by whole parts, so that following reads few new pages. */
export function lastPart(count: number): number {
  return Math.max(-1, (Math.floor(count / PART) - 1) * PART - 1);
}
