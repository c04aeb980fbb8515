import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useEffect, useMemo, useState } from "react";
import { compareQuery } from "../../api/queries";
import type { Compare, ComparedRow, ComparedRun } from "../../api/wire";
import { ApiError } from "../../lib/errors";
import { counted, knownStatus, shortId, shortType, STATUS } from "../../lib/status";
import { formatDuration } from "../../lib/time";
import { links } from "../../shell/links";
import { Link, navigate, useSearch } from "../../shell/router";
import { Ago } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import { StatusIcon } from "../../ui/icons";
import { Empty, Failure, Skeleton } from "../../ui/Notice";
import { compareSearch } from "../run/search";
import { PayloadDiff } from "./PayloadDiff";
import { foldAlike } from "./rows";
import { StepRows } from "./StepRows";
import css from "./compare.module.css";

/** A run beside another one: what differs first, the steps side by side, what went in and came out. */
export function ComparePage({ id }: { id: string }) {
  const [{ with: other, attempt }] = useSearch(compareSearch);
  const query = useQuery(compareQuery(id, other, attempt));
  useEffect(() => {
    document.title = `Compare · ${query.data?.run.workflow ?? "run"} · ${shortId(id)}`;
  }, [id, query.data?.run.workflow]);
  return (
    <div className="page plain-page">
      <header className={css.head}>
        <h1>Compare</h1>
        <Choose id={id} other={other} attempt={attempt} />
      </header>
      {query.data ? (
        <Compared found={query.data} />
      ) : query.isPending ? (
        <Skeleton rows={8} />
      ) : query.error instanceof ApiError && query.error.status === 404 ? (
        <Empty title="Nothing to compare with" icon="compare">
          <p>{query.error.detail}</p>
          <Link to={links.run(id)} className="btn">
            Back to the run
          </Link>
        </Empty>
      ) : (
        <Failure what="The comparison" error={query.error} onRetry={() => void query.refetch()} />
      )}
    </div>
  );
}

/** With what: the last success, or a run by its id. */
function Choose({ id, other, attempt }: { id: string; other: string | null; attempt: number | null }) {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const wanted = new FormData(event.currentTarget).get("with");
    const named = typeof wanted === "string" ? wanted.trim() : "";
    navigate(links.compare(id, { with: named === "" ? null : named }), { replace: true });
  };
  return (
    <form className={css.choose} onSubmit={submit} key={other}>
      <label>
        <span className="muted">with run</span>
        <input
          className="input mono"
          name="with"
          defaultValue={other ?? ""}
          placeholder={attempt === null ? "the last success" : `attempt ${attempt}`}
          spellCheck={false}
          autoComplete="off"
        />
      </label>
      <Button type="submit">Compare</Button>
      {other === null && attempt === null ? null : (
        <Link to={links.compare(id)} className="btn">
          With the last success
        </Link>
      )}
    </form>
  );
}

function Compared({ found }: { found: Compare }) {
  const { run, other, rows, firstDifference } = found;
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  const shown = useMemo(() => foldAlike(rows, opened), [rows, opened]);
  const open = (at: number): void => setOpened(new Set([...opened, at]));
  return (
    <>
      <div className={css.sides}>
        <Side run={run} title="This run" beside={other} />
        <Side run={other} title={other.attempt === undefined ? "Compared with" : `Attempt ${other.attempt}`} />
      </div>
      <p>
        <strong>{firstWords(found)}</strong>
        {found.stepsCut ? <span className="muted"> Only the first 1,000 steps of each were compared.</span> : null}
      </p>
      <section aria-label="Steps">
        <StepRows runId={run.id} shown={shown} first={firstDifference} onOpen={open} other={other} />
      </section>
      <div className={css.payloads}>
        <PayloadDiff title="Input" diff={found.input} />
        <PayloadDiff title="Output" diff={found.output} />
      </div>
    </>
  );
}

/** "First difference: charge failed here." */
export function firstWords({ rows, firstDifference, input, output }: Compare): string {
  const row: ComparedRow | undefined = firstDifference === undefined ? undefined : rows[firstDifference];
  if (!row) {
    const differ = [...(input.same ? [] : ["input"]), ...(output.same ? [] : ["output"])];
    return `${counted(rows.length, "step")}, all of them alike${differ.length > 0 ? `; ${differ.join(" and ")} differ` : ""}.`;
  }
  if (!row.other) return `First difference: ${row.run?.name ?? ""} is only in this run.`;
  if (!row.run) return `First difference: ${row.other.name} is missing in this run.`;
  if (row.run.status === row.other.status) return `First difference: ${row.run.name} failed with another error.`;
  return `First difference: ${row.run.name} is ${row.run.status}, in the other ${row.other.status}.`;
}

function Side({ run, title, beside }: { run: ComparedRun; title: string; beside?: ComparedRun }) {
  const status = knownStatus(run.status);
  const times =
    beside?.tookMs !== undefined && run.tookMs !== undefined && beside.tookMs > 0 && run.tookMs > beside.tookMs * 1.5
      ? `${(run.tookMs / beside.tookMs).toFixed(1)}×`
      : null;
  return (
    <section className={css.side} aria-label={title} data-status={status}>
      <h2 className="muted">{title}</h2>
      <p className={css.name}>
        <StatusIcon status={status} /> <strong>{run.workflow}</strong> <span>{STATUS[status].label}</span>
      </p>
      <p className={css.facts}>
        <Link to={links.run(run.id)} className="mono">
          {shortId(run.id)}
        </Link>
        <span>{formatDuration(run.tookMs)}</span>
        {times ? <span className={css.slower}>{times}</span> : null}
        {run.workflowVersion ? (
          <span className="mono" data-differs={(beside && beside.workflowVersion !== run.workflowVersion) || undefined}>
            {run.workflowVersion}
          </span>
        ) : null}
        <span className="muted">
          <Ago at={run.createdAt} />
        </span>
      </p>
      {run.error ? (
        <p className={css.error}>
          {run.error.type ? <strong>{shortType(run.error.type)} </strong> : null}
          {run.error.message}
        </p>
      ) : null}
    </section>
  );
}
