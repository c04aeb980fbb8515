import { useQuery } from "@tanstack/react-query";
import { apiUrl } from "../../api/http";
import { publishedQuery } from "../../api/queries";
import type { Json, Run } from "../../api/wire";
import { AuditLog } from "../../features/audit/AuditLog";
import { formatBytes } from "../../lib/time";
import { CopyButton } from "../../ui/CopyButton";
import { Empty, Failure, Skeleton } from "../../ui/Notice";
import { Glyph } from "../../ui/icons";
import { asCall, JsonView } from "../../ui/JsonView";
import { ErrorView } from "../../features/error/ErrorView";

/** What went in and what came out. */
export function PayloadsTab({ run }: { run: Run }) {
  return (
    <div className="payloads">
      <PayloadCard run={run} name="input" title="Input" value={run.input} missing="It was started without input." />
      {run.error ? (
        <section className="card">
          <header className="card-head">
            <h2>Error</h2>
            <span className="grow" />
            <CopyButton text={JSON.stringify(run.error, null, 2)} label="Copy the error" />
          </header>
          <div className="card-body">
            <ErrorView error={run.error} />
          </div>
        </section>
      ) : (
        <PayloadCard
          run={run}
          name="output"
          title="Output"
          value={run.output}
          missing={run.finishedAt ? "It returned nothing." : "Not yet: the run is open."}
        />
      )}
    </div>
  );
}

function PayloadCard({
  run,
  name,
  title,
  value,
  missing,
}: {
  run: Run;
  name: "input" | "output";
  title: string;
  value: Json | undefined;
  missing: string;
}) {
  const cut = run.truncated?.fields.includes(name) ?? false;
  const url = apiUrl("/runs/{runId}/payload/{name}", { runId: run.id, name });
  return (
    <section className="card">
      <header className="card-head">
        <h2>{title}</h2>
        {run.payloadFormats?.[name] ? <span className="tag">{run.payloadFormats[name]}</span> : null}
        <span className="grow" />
        {value === undefined ? null : <CopyButton text={JSON.stringify(value, null, 2)} label={`Copy the ${name}`} />}
        <a
          className="icon-btn"
          href={url}
          download={`${run.id}-${name}.json`}
          aria-label={`Download the ${name}`}
          title="Download whole"
        >
          <Glyph name="download" />
        </a>
      </header>
      <div className="card-body">
        {value === undefined ? (
          <p className="muted">{missing}</p>
        ) : (
          <JsonView value={name === "input" ? asCall(value) : value} open={3} label={title} />
        )}
        {cut && run.truncated ? (
          <p className="muted small">
            Only the beginning is shown; the whole is {formatBytes(run.truncated.bytes)}.{" "}
            <a href={url} download={`${run.id}-${name}.json`}>
              Download whole
            </a>
          </p>
        ) : null}
      </div>
    </section>
  );
}

/** Values that the workflow published with set_event. */
export function PublishedTab({ runId }: { runId: string }) {
  const query = useQuery(publishedQuery(runId));
  if (query.isPending)
    return (
      <div className="pad">
        <Skeleton />
      </div>
    );
  if (query.isError)
    return <Failure what="The published values" error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data.length === 0) {
    return (
      <Empty title="Nothing published" icon="flag">
        A workflow shares progress or results while it runs with <code>set_event(key, value)</code>. They show here.
      </Empty>
    );
  }
  return (
    <div className="payloads">
      {query.data.map((entry) => (
        <section key={entry.key} className="card">
          <header className="card-head">
            <h2 className="mono">{entry.key}</h2>
            <span className="grow" />
            <CopyButton text={JSON.stringify(entry.value ?? null, null, 2)} label={`Copy ${entry.key}`} />
          </header>
          <div className="card-body">
            <JsonView value={entry.value ?? null} label={entry.key} />
          </div>
        </section>
      ))}
    </div>
  );
}

export function AuditTab({ runId }: { runId: string }) {
  return (
    <div className="pad">
      <AuditLog
        runId={runId}
        empty="Retries, cancels, signals and other actions are listed here, with who did them, when, and the outcome."
      />
    </div>
  );
}
