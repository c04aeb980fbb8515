import { useInfiniteQuery } from "@tanstack/react-query";
import { errorsQuery } from "../../api/queries";
import type { ErrorGroup, ErrorsAnswer, ErrorState } from "../../api/wire";
import type { TimeRange } from "../../lib/range";
import { oneOf, searchOf, text } from "../../lib/search";
import { TimeRangeField } from "../../features/activity/TimeRangeField";
import { counted, shortType } from "../../lib/status";
import { formatCount } from "../../lib/time";
import { links } from "../../shell/links";
import { Link, useSearch } from "../../shell/router";
import { Ago, Clock } from "../../ui/Ago";
import { Bars } from "../../ui/Bars";
import { Button } from "../../ui/Button";
import { Empty, Skeleton } from "../../ui/Notice";
import { QueryView } from "../../ui/QueryView";
import { DEFAULT_SINCE, rangeOf } from "./words";
import css from "./errors.module.css";

const STATES: readonly ErrorState[] = ["open", "dealt_with", "ignored"];
const STATE_LABEL: Record<ErrorState, string> = { open: "Open", dealt_with: "Dealt with", ignored: "Ignored" };
const search = searchOf({ since: text, until: text, state: oneOf(STATES) });

/** Failures of one kind as one line: how many, since when, on which versions, and whether anybody dealt with them. */
export function ErrorsPage() {
  const [{ since, until, state }, setSearch] = useSearch(search);
  const range = rangeOf(since, until);
  const query = useInfiniteQuery(errorsQuery(range, state));
  const pages = query.data?.pages;
  const first = pages?.[0]?.answer;
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Errors</h1>
        <p className="muted">Failures that have the same cause, newest first.{first ? ` ${settled(first)}` : ""}</p>
      </header>
      <div className={css.tools}>
        <div className="chips" role="group" aria-label="State">
          <Chip label="All" on={state === null} onClick={() => setSearch({ state: null })} />
          {STATES.map((one) => (
            <Chip
              key={one}
              label={STATE_LABEL[one]}
              count={first ? countOf(first, one) : undefined}
              on={state === one}
              onClick={() => setSearch({ state: state === one ? null : one })}
            />
          ))}
        </div>
        <TimeRangeField
          value={range}
          fallback={DEFAULT_SINCE}
          end
          onChange={(next) => setSearch({ since: next.since || null, until: next.until || null })}
        />
      </div>
      <QueryView
        query={{ ...query, data: pages }}
        what="The errors"
        pending={<Skeleton rows={8} />}
        empty={{
          when: (all) => all.every((page) => page.answer.groups.length === 0),
          show: (
            <Empty title={state === null ? "No failures in this window" : "No such errors in this window"} icon="check">
              {state === null ? "When runs fail they are grouped here by their cause." : null}
            </Empty>
          ),
        }}
      >
        {(all) => <Groups groups={all.flatMap((page) => page.answer.groups)} range={range} />}
      </QueryView>
      {first?.scannedTo ? (
        <p className="muted">
          Older failures are still being recorded: known back to <Clock at={first.scannedTo} />.
        </p>
      ) : null}
      {query.hasNextPage ? (
        <Button onClick={() => void query.fetchNextPage()} busy={query.isFetchingNextPage}>
          Older errors
        </Button>
      ) : null}
    </div>
  );
}

function countOf({ failures }: ErrorsAnswer, state: ErrorState): number {
  const { open = 0, ignored = 0, dealtWith = 0 } = failures;
  return state === "open" ? open : state === "ignored" ? ignored : dealtWith;
}

/** What needs nobody any more. */
function settled({ failures }: ErrorsAnswer): string {
  const { completed = 0, undone = 0 } = failures;
  const parts = [
    ...(completed > 0 ? [`${counted(completed, "failed run")} completed after a retry`] : []),
    ...(undone > 0 ? [`${formatCount(undone)} undone`] : []),
  ];
  return parts.length > 0 ? `${parts.join(", ")}.` : "";
}

interface ChipProps {
  label: string;
  count?: number | undefined;
  on: boolean;
  onClick: () => void;
}

function Chip({ label, count, on, onClick }: ChipProps) {
  return (
    <button type="button" className="chip" aria-pressed={on} onClick={onClick}>
      {label}
      {count === undefined ? null : <span className="chip-count">{formatCount(count)}</span>}
    </button>
  );
}

function Groups({ groups, range }: { groups: ErrorGroup[]; range: TimeRange }) {
  return (
    <table className={`table ${css.groups}`}>
      <thead>
        <tr>
          <th>Error</th>
          <th>Over time</th>
          <th className="num">Failures</th>
          <th>Version</th>
          <th className="num">Last seen</th>
        </tr>
      </thead>
      <tbody>
        {groups.map((group) => (
          <tr key={group.fingerprint} data-state={group.state}>
            <td className={css.what}>
              <Link to={links.error(group.fingerprint, range)} className={css.name}>
                <strong>{shortType(group.type)}</strong>
                {group.step ? <span className="muted"> in {group.step}</span> : null}
              </Link>
              <span className={css.template} title={group.template}>
                {group.template}
              </span>
              {group.frame ? (
                <span className={css.frame} title="Where the last failure was raised">
                  {group.frame}
                </span>
              ) : null}
              <span className="muted small">
                {group.workflows.map((one) => one.value ?? "?").join(", ")}
                {group.state === "open" ? null : (
                  <span className="tag">
                    {STATE_LABEL[group.state].toLowerCase()}
                    {group.decision ? ` by ${group.decision.by}` : ""}
                  </span>
                )}
              </span>
            </td>
            <td data-label="Over time">
              <Bars values={group.buckets} width={144} height={28} label={`${group.count} failures over time`} />
            </td>
            <td data-label="Failures" className="num">
              <strong>{formatCount(group.count)}</strong>
              {group.share !== undefined ? (
                <div className="muted small" title="Of the runs of these workflows that were created in this window">
                  {shareOf(group, group.share)}
                </div>
              ) : null}
            </td>
            <td data-label="Version">
              {group.versions.slice(0, 2).map((one) => (
                <div key={one.value ?? ""} className="nowrap">
                  <span className="mono">{one.value ?? "unknown"}</span> <span className="muted">{one.count}</span>
                </div>
              ))}
            </td>
            <td data-label="Last seen" className="num nowrap">
              <Ago at={group.lastSeenAt} />
              <div className="muted small">
                first <Ago at={group.firstSeenAt} />
              </div>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** "12 % of checkout", "every run of checkout". */
function shareOf({ workflows }: ErrorGroup, share: number): string {
  const [only] = workflows.length === 1 ? workflows : [];
  if (share >= 1) return only?.value ? `every run of ${only.value}` : "every one of their runs";
  return `${formatShare(share)} of ${only?.value ?? "their runs"}`;
}

/** 0.124 is 12 %; what is not nothing is never 0 %. */
export function formatShare(share: number): string {
  const percent = share * 100;
  if (percent > 0 && percent < 1) return "< 1 %";
  return `${Math.round(percent)} %`;
}
