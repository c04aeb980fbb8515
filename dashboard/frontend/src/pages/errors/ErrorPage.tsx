import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { decideError } from "../../api/actions";
import { keys } from "../../api/keys";
import { errorQuery } from "../../api/queries";
import type { ErrorDetail, ErrorGroup, ErrorState, RunRow, SharedValue } from "../../api/wire";
import { openBulk } from "../../features/bulk/openBulk";
import { TimeRangeField } from "../../features/activity/TimeRangeField";
import { DecisionDialog } from "../../features/decision/DecisionDialog";
import { ApiError } from "../../lib/errors";
import { EMPTY_FILTER } from "../../lib/filter";
import { shortId, shortType, STATUS } from "../../lib/status";
import { formatClock, formatCount, parseTime, resolveSince } from "../../lib/time";
import { rangeLabel, type TimeRange } from "../../lib/range";
import { searchOf, text } from "../../lib/search";
import { whyReadOnly } from "../../shell/access";
import { links } from "../../shell/links";
import { openOverlay } from "../../shell/overlay";
import { Link, useSearch } from "../../shell/router";
import { Ago } from "../../ui/Ago";
import { Bars } from "../../ui/Bars";
import { Button } from "../../ui/Button";
import { StatusIcon } from "../../ui/icons";
import { Empty, Skeleton } from "../../ui/Notice";
import { QueryView } from "../../ui/QueryView";
import { formatShare } from "./ErrorsPage";
import { DEFAULT_SINCE, rangeOf } from "./words";
import css from "./errors.module.css";

/** Failures of one kind: what they share that successes do not, which runs they are, and what to do with them. */
export function ErrorPage({ id }: { id: string }) {
  const [{ since, until }, setSearch] = useSearch(search);
  const range = rangeOf(since, until);
  const query = useQuery({ ...errorQuery(id, range), placeholderData: keepPreviousData });
  const setRange = (next: TimeRange): void => setSearch({ since: next.since || null, until: next.until || null });
  if (query.error instanceof ApiError && query.error.status === 404) {
    return (
      <div className="page">
        <Empty title="No such error" icon="search" whole>
          <p>{query.error.detail}</p>
          <Link to={links.errors} className="btn">
            All errors
          </Link>
        </Empty>
      </div>
    );
  }
  return (
    <div className="page plain-page">
      <QueryView query={query} what="The error" pending={<Skeleton rows={8} />}>
        {(detail) => <Loaded detail={detail} range={range} onRange={setRange} />}
      </QueryView>
    </div>
  );
}

const search = searchOf({ since: text, until: text });

interface LoadedProps {
  detail: ErrorDetail;
  range: TimeRange;
  onRange: (range: TimeRange) => void;
}

function Loaded({ detail, range, onRange }: LoadedProps) {
  const { group } = detail;
  return (
    <>
      <header className="page-head">
        <div className={css.title}>
          <h1>
            {shortType(group.type)}
            {group.step ? <span className="muted normal"> in {group.step}</span> : null}
          </h1>
          <Actions group={group} />
        </div>
        <p className={css.message}>{group.template}</p>
        <p className="muted">
          <strong className={css.count}>{formatCount(group.count)}</strong> {group.count === 1 ? "failure" : "failures"}{" "}
          {within(range)}
          {group.share !== undefined ? `, ${formatShare(group.share)} of the runs of ` : " of "}
          {group.workflows.map((one) => one.value ?? "?").join(", ")}. First seen <Ago at={group.firstSeenAt} />, last{" "}
          <Ago at={group.lastSeenAt} />.
          {group.frame ? (
            <>
              {" "}
              Raised by <span className="mono">{group.frame}</span>.
            </>
          ) : null}
        </p>
        {group.decision ? (
          <p className="muted">
            {group.state === "open" ? "It came back after " : ""}
            {WORD[group.decision.state]} by {group.decision.by}, <Ago at={group.decision.at} />
            {group.decision.note ? `: ${group.decision.note}` : "."}
          </p>
        ) : null}
      </header>
      <TimeRangeField value={range} fallback={DEFAULT_SINCE} onChange={onRange} />
      <section className={css.band}>
        <Bars
          values={group.buckets}
          width={1180}
          height={72}
          label={`${group.count} failures ${within(range)}`}
          fluid
        />
        <div className={css.axis} aria-hidden="true">
          <span>{moment(range.since)}</span>
          <span>{range.until ? moment(range.until) : "now"}</span>
        </div>
      </section>
      <div className={css.columns}>
        <Shared detail={detail} />
        <Newest runs={detail.runs} fingerprint={group.fingerprint} />
      </div>
    </>
  );
}

/** "in the last 24 h", "between 10:00 and 12:00". */
function within({ since, until }: TimeRange): string {
  const label = rangeLabel({ since, until }, Date.now());
  return label.startsWith("Last") ? `in the ${label.replace("Last", "last")}` : `(${label})`;
}

function moment(text: string): string {
  const at = parseTime(resolveSince(text, Date.now()));
  return at === null ? text : formatClock(at, Date.now());
}

const WORD: Record<ErrorState, string> = { open: "reopened", dealt_with: "dealt with", ignored: "ignored" };
const ASK: Record<ErrorState, { button: string; title: string; text: string }> = {
  open: { button: "Reopen", title: "Reopen this error?", text: "Its failures count as open again." },
  dealt_with: {
    button: "Dealt with",
    title: "Mark as dealt with?",
    text: "Its failures so far no longer need attention. A later failure reopens it.",
  },
  ignored: {
    button: "Ignore",
    title: "Ignore this error?",
    text: "Its failures so far are left out of what is open. A failure that comes later opens it again.",
  },
};

function Actions({ group }: { group: ErrorGroup }) {
  const why = whyReadOnly();
  const next: ErrorState[] = group.state === "open" ? ["dealt_with", "ignored"] : ["open"];
  const filter = { ...EMPTY_FILTER, error: group.fingerprint, status: ["failed" as const] };
  return (
    <div className={css.actions}>
      <Link to={links.runs({ error: group.fingerprint, status: ["failed"] })} className="btn">
        See its runs
      </Link>
      {next.map((state) => (
        <Button key={state} disabled={why !== undefined} title={why} onClick={() => decide(group.fingerprint, state)}>
          {ASK[state].button}
        </Button>
      ))}
      <Button
        icon="retry"
        tone="primary"
        disabled={why !== undefined}
        title={why}
        onClick={() => openBulk({ action: "retry", filter, canary: true })}
      >
        Retry all…
      </Button>
    </div>
  );
}

/** Ask before, and for a note. */
function decide(fingerprint: string, state: ErrorState): void {
  const { button, title, text } = ASK[state];
  openOverlay(
    <DecisionDialog
      title={title}
      text={text}
      confirm={button}
      said={`${button}: noted.`}
      example="Rolled back to v1, for example"
      send={(note) => decideError(fingerprint, { state, note })}
      touches={[keys.errors]}
    />,
  );
}

const nameOf = ({ what, key, value }: SharedValue): string => {
  const text =
    value === undefined || value === null ? "none" : typeof value === "string" ? value : JSON.stringify(value);
  return `${what === "attribute" ? (key ?? "attribute") : what} ${text}`;
};

const TELLING_LIFT = 1.2;

/** Each value's share among these failures against its share among successes of the same workflows. */
function Shared({ detail: { shared: all, failures, successes } }: { detail: ErrorDetail }) {
  // What successes have as often says nothing.
  const shared = all.filter((one) => one.lift === undefined || one.lift >= TELLING_LIFT);
  return (
    <section>
      <h2 className="section-title">What they share</h2>
      {shared.length === 0 ? (
        <p className="muted">Nothing that the runs that completed do not have as well.</p>
      ) : (
        <table className="table">
          <thead>
            <tr>
              <th>Value</th>
              <th>Failures</th>
              <th>Successes</th>
              <th className="num">Times as often</th>
            </tr>
          </thead>
          <tbody>
            {shared.map((one) => (
              <tr key={nameOf(one)}>
                <td>{nameOf(one)}</td>
                <td data-label="Failures">
                  <Share of={one.share} tone="failed" />
                </td>
                <td data-label="Successes">
                  <Share of={one.otherShare} tone="completed" />
                </td>
                <td data-label="Times as often" className="num">
                  {one.lift === undefined
                    ? "only here"
                    : `×${one.lift >= 10 ? Math.round(one.lift) : one.lift.toFixed(1)}`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p className="muted small">
        The newest {formatCount(failures)} failures against {formatCount(successes)} runs that completed.
      </p>
    </section>
  );
}

function Share({ of, tone }: { of: number; tone: "failed" | "completed" }) {
  return (
    <span className={css.share} data-status={tone}>
      <span style={{ width: `${Math.max(of > 0 ? 2 : 0, of * 64)}px` }} />
      {formatShare(of)}
    </span>
  );
}

function Newest({ runs, fingerprint }: { runs: RunRow[]; fingerprint: string }) {
  return (
    <section>
      <h2 className="section-title">Newest runs</h2>
      <ul className={css.newest}>
        {runs.map((run) => (
          <li key={run.id}>
            <StatusIcon status={run.status} size={14} />
            <Link to={links.run(run.id)} title={STATUS[run.status].label}>
              {run.workflow} <span className="mono muted">{shortId(run.id)}</span>
            </Link>
            <span className="muted">
              <Ago at={run.finishedAt ?? run.createdAt} />
            </span>
          </li>
        ))}
      </ul>
      <Link to={links.runs({ error: fingerprint })}>All runs that ever failed so</Link>
    </section>
  );
}
