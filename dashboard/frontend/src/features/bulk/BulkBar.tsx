import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { applyBulk, type BulkAction, type BulkOptions, cancelRun, previewBulk, retryRun } from "../../api/actions";
import { bulkQuery } from "../../api/queries";
import type { BulkAnswer, Facet, RunRow, RunStatus } from "../../api/wire";
import { config } from "../../config";
import { filterToParams, isEmptyFilter, type RunFilter } from "../../lib/filter";
import { STATUS_LABEL, shortId } from "../../lib/status";
import { formatCount, resolveSince } from "../../lib/time";
import { Link, runPath } from "../../shell/router";
import { errorText } from "../../lib/errors";
import { Button } from "../../ui/Button";
import { Notice, Skeleton } from "../../ui/Notice";
import { Dialog } from "../../ui/Dialog";
import { StatusIcon } from "../../ui/icons";
import { useToast } from "../../ui/toast";
import "./bulk.css";

interface Props {
  filter: RunFilter;
  selected: ReadonlySet<string>;
  rows: RunRow[];
  facets: Facet[] | undefined;
  onClear: () => void;
}

const VIEWER = "You may look, not act. Ask for the operator role.";
const RETRIED: ReadonlySet<RunStatus> = new Set<RunStatus>(["failed", "dead", "cancelled"]);
const CANCELLED: ReadonlySet<RunStatus> = new Set<RunStatus>(["pending", "running", "suspended", "blocked"]);
const VERB: Record<BulkAction, string> = { retry: "Retry", cancel: "Cancel" };

function fits(action: BulkAction, row: RunRow): boolean {
  return action === "cancel" ? CANCELLED.has(row.status) : RETRIED.has(row.status) && !row.undoId;
}

/** How many runs of the filter are in one of these states. */
function countOf(facets: Facet[] | undefined, filter: RunFilter, statuses: ReadonlySet<RunStatus> | null): number {
  let sum = 0;
  for (const facet of facets ?? []) {
    if (filter.status.length > 0 && !filter.status.includes(facet.status)) continue;
    if (statuses === null || statuses.has(facet.status)) sum += facet.count;
  }
  return sum;
}

/** What was asked, about which runs: fixed at the press, whatever the rows and the filter become meanwhile. */
type Question =
  | { action: BulkAction; scope: "selected"; rows: RunRow[]; skipped: number }
  | { action: BulkAction; scope: "filter"; filter: RunFilter };

/** Acts on the runs that are ticked, or on every run of the filter after a look at what that means. */
export function BulkBar({ filter, selected, rows, facets, onClear }: Props) {
  const [ask, setAsk] = useState<Question | null>(null);
  const viewer = config.role === "viewer";
  const total = countOf(facets, filter, null);
  const retriable = countOf(facets, filter, RETRIED);
  const cancellable = countOf(facets, filter, CANCELLED);
  const shown = selected.size > 0 || (!isEmptyFilter(filter) && retriable + cancellable > 0);
  const chosen = rows.filter((row) => selected.has(row.id));
  return (
    <>
      {shown ? (
        <div className="bulkbar" role="toolbar" aria-label="Actions on many runs">
          {selected.size > 0 ? (
            <>
              <strong>{selected.size} selected</strong>
              {(["retry", "cancel"] as const).map((action) => {
                const count = chosen.filter((row) => fits(action, row)).length;
                return (
                  <Button
                    key={action}
                    icon={action === "retry" ? "retry" : "stop"}
                    disabled={viewer || count === 0}
                    title={
                      viewer
                        ? VIEWER
                        : count === 0
                          ? `None of them can be ${action === "retry" ? "retried" : "cancelled"}`
                          : undefined
                    }
                    onClick={() =>
                      setAsk({
                        action,
                        scope: "selected",
                        rows: chosen.filter((row) => fits(action, row)),
                        skipped: chosen.length - count,
                      })
                    }
                  >
                    {`${VERB[action]} ${count}`}
                  </Button>
                );
              })}
              <Button tone="quiet" onClick={onClear}>
                Clear
              </Button>
            </>
          ) : (
            <>
              <span className="muted">
                {`${formatCount(total)} ${total === 1 ? "run" : "runs"}`}
                <span className="wide-only"> in this filter</span>
              </span>
              {retriable > 0 ? (
                <Button
                  tone="quiet"
                  icon="retry"
                  disabled={viewer}
                  title={viewer ? VIEWER : undefined}
                  onClick={() => setAsk({ action: "retry", scope: "filter", filter })}
                >
                  Retry all…
                </Button>
              ) : null}
              {cancellable > 0 ? (
                <Button
                  tone="quiet"
                  icon="stop"
                  disabled={viewer}
                  title={viewer ? VIEWER : undefined}
                  onClick={() => setAsk({ action: "cancel", scope: "filter", filter })}
                >
                  Cancel all…
                </Button>
              ) : null}
            </>
          )}
        </div>
      ) : null}
      {ask?.scope === "selected" ? (
        <SelectedDialog
          action={ask.action}
          rows={ask.rows}
          skipped={ask.skipped}
          onClose={() => setAsk(null)}
          onDone={() => {
            setAsk(null);
            onClear();
          }}
        />
      ) : null}
      {ask?.scope === "filter" ? (
        <FilterDialog action={ask.action} filter={ask.filter} onClose={() => setAsk(null)} />
      ) : null}
    </>
  );
}

interface Tally {
  done: number;
  refused: { id: string; why: string }[];
}

function SelectedDialog({
  action,
  rows,
  skipped,
  onClose,
  onDone,
}: {
  action: BulkAction;
  rows: RunRow[];
  skipped: number;
  onClose: () => void;
  onDone: () => void;
}) {
  const client = useQueryClient();
  const say = useToast();
  const [outcome, setOutcome] = useState<Tally>({ done: 0, refused: [] });
  const act = useMutation({
    mutationFn: async () => {
      const result: Tally = { done: 0, refused: [] };
      for (const row of rows) {
        try {
          await (action === "retry" ? retryRun(row.id) : cancelRun(row.id, { compensate: false, children: false }));
          result.done += 1;
        } catch (error) {
          result.refused.push({ id: row.id, why: errorText(error) });
        }
        setOutcome({ ...result });
      }
      return result;
    },
    onSuccess: (result) => {
      void client.invalidateQueries({ queryKey: ["runs"] });
      if (result.refused.length === 0)
        say(`${action === "retry" ? "Retrying" : "Cancelled"} ${result.done} ${result.done === 1 ? "run" : "runs"}.`);
    },
  });
  const begin = (): void =>
    act.mutate(undefined, {
      onSuccess: (result) => {
        if (result.refused.length === 0) onDone();
      },
    });
  const finished = act.isSuccess;
  return (
    <Dialog
      title={`${VERB[action]} ${rows.length} ${rows.length === 1 ? "run" : "runs"}?`}
      confirm={finished ? "Close" : VERB[action]}
      danger={action === "cancel" && !finished}
      busy={act.isPending}
      onClose={onClose}
      onConfirm={finished ? onDone : begin}
    >
      <p>
        {action === "retry"
          ? "Each goes on from the step that failed, under its own id. Steps that completed do not run again."
          : "Each stops at its next step. A step in flight may still have its effect."}
        {skipped > 0
          ? ` ${skipped} of the selection ${skipped === 1 ? "is" : "are"} left out: their state does not allow it.`
          : ""}
      </p>
      {act.isPending || finished ? (
        <progress max={rows.length} value={outcome.done + outcome.refused.length} aria-label="Progress" />
      ) : null}
      {outcome.refused.length > 0 ? (
        <Notice tone="bad" title={`${outcome.refused.length} refused`}>
          <ul className="plain">
            {outcome.refused.slice(0, 8).map((entry) => (
              <li key={entry.id}>
                <Link to={runPath(entry.id)} className="mono">
                  {shortId(entry.id)}
                </Link>{" "}
                {entry.why}
              </li>
            ))}
          </ul>
        </Notice>
      ) : null}
    </Dialog>
  );
}

const NO_OPTIONS: BulkOptions = { compensate: false, children: false, toQueue: "" };

function FilterDialog({ action, filter, onClose }: { action: BulkAction; filter: RunFilter; onClose: () => void }) {
  const client = useQueryClient();
  // A moving window stands still from the preview on: what is applied is what was shown.
  const [fixed] = useState<RunFilter>(() =>
    filter.since ? { ...filter, since: resolveSince(filter.since, Date.now()) } : filter,
  );
  const [options, setOptions] = useState<BulkOptions>(NO_OPTIONS);
  const look = useQuery({
    queryKey: ["bulk-preview", action, filterToParams(fixed).toString()],
    queryFn: () => previewBulk(action, fixed),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const preview = look.data;
  const apply = useMutation({
    mutationFn: () => applyBulk(action, fixed, options, preview?.boundMs),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["runs"] }),
  });
  const none = preview?.matched === 0;
  if (apply.data) return <Outcome action={action} answer={apply.data} onClose={onClose} />;
  return (
    <Dialog
      title={`${VERB[action]} every run of this filter?`}
      confirm={
        preview && !none
          ? `${VERB[action]} ${formatCount(preview.matched)} ${preview.matched === 1 ? "run" : "runs"}`
          : VERB[action]
      }
      danger={action === "cancel"}
      busy={apply.isPending}
      disabled={preview === undefined || none}
      onClose={onClose}
      onConfirm={() => apply.mutate()}
      refusal={look.isError ? errorText(look.error) : apply.isError ? errorText(apply.error) : null}
      wide
    >
      <p>
        {action === "retry"
          ? "Failed, dead and cancelled runs go on from the step that failed. Completed runs are never run again."
          : "Open runs stop, each at its next step."}
        {" Nothing has happened yet: this is what it would touch, and nothing newer is."}
      </p>
      {look.isPending ? <Skeleton rows={3} /> : null}
      {preview ? <Preview preview={preview} /> : null}
      {preview && !none && action === "cancel" ? (
        <div className="options">
          <label className="check">
            <input
              type="checkbox"
              checked={options.children}
              onChange={(event) => setOptions({ ...options, children: event.target.checked })}
            />
            <span>Cancel the runs that they started too</span>
          </label>
          <label className="check">
            <input
              type="checkbox"
              checked={options.compensate}
              onChange={(event) => setOptions({ ...options, compensate: event.target.checked })}
            />
            <span>Undo them too: run their compensations</span>
          </label>
        </div>
      ) : null}
      {preview && !none && action === "retry" ? (
        <label className="field">
          <span>Move to queue</span>
          <input
            className="input"
            value={options.toQueue}
            placeholder="each stays on its own"
            onChange={(event) => setOptions({ ...options, toQueue: event.target.value.trim() })}
          />
        </label>
      ) : null}
    </Dialog>
  );
}

interface Result {
  runId: string;
  outcome: string;
  detail: string;
}

function readResult(entry: Record<string, unknown>): Result {
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return {
    runId: text(entry.runId ?? entry.run_id ?? entry.id),
    outcome: text(entry.outcome),
    detail: text(entry.detail),
  };
}

/** What came of it: at once for a few runs, followed to its end for many. */
function Outcome({ action, answer, onClose }: { action: BulkAction; answer: BulkAnswer; onClose: () => void }) {
  const bulkId = answer.bulkId;
  const progress = useQuery({ ...bulkQuery(bulkId ?? ""), enabled: bulkId !== undefined });
  const results = ((bulkId === undefined ? answer.results : progress.data?.results) ?? []).map(readResult);
  const done = bulkId === undefined ? results.length : (progress.data?.done ?? 0);
  const applied = bulkId === undefined ? (answer.applied ?? 0) : (progress.data?.applied ?? 0);
  const ended =
    bulkId === undefined ||
    (progress.data !== undefined && done >= answer.matched) ||
    ["completed", "failed", "cancelled", "dead"].includes(progress.data?.status ?? "");
  const left = results.filter((entry) => entry.outcome !== "applied");
  return (
    <Dialog
      title={
        ended
          ? `${formatCount(applied)} of ${formatCount(answer.matched)} ${action === "retry" ? "retried" : "cancelled"}`
          : `${VERB[action]} is under way`
      }
      confirm="Close"
      only
      onClose={onClose}
      onConfirm={onClose}
      wide
    >
      {ended ? null : <p>A worker does it as a durable run of its own: you may close this, and it goes on.</p>}
      <progress max={answer.matched} value={done} aria-label="Progress" />
      <p className="muted">
        {formatCount(done)} of {formatCount(answer.matched)} done
        {left.length > 0 ? `, ${formatCount(left.length)} left alone` : ""}.
        {bulkId ? (
          <>
            {" "}
            <Link to={runPath(bulkId)} onClick={onClose}>
              Open the bulk run
            </Link>
          </>
        ) : null}
      </p>
      {progress.isError ? <Notice tone="warn">{errorText(progress.error)}</Notice> : null}
      {left.length > 0 ? (
        <ul className="preview-list">
          {left.slice(0, 20).map((entry) => (
            <li key={entry.runId}>
              <Link to={runPath(entry.runId)} onClick={onClose} className="clip">
                {shortId(entry.runId)}
              </Link>
              <strong>{entry.outcome}</strong>
              <span className="muted">{entry.detail}</span>
            </li>
          ))}
        </ul>
      ) : null}
    </Dialog>
  );
}

function Preview({ preview }: { preview: BulkAnswer }) {
  if (preview.matched === 0)
    return <Notice title="No run would be touched">The filter matches none that is in a state for it.</Notice>;
  const sample = (preview.sample ?? []).slice(0, 8);
  return (
    <>
      <div className="preview-counts">
        <strong>{formatCount(preview.matched)}</strong> {preview.matched === 1 ? "run" : "runs"}
        {Object.entries(preview.byStatus ?? {}).map(([status, count]) => {
          const known = status in STATUS_LABEL ? (status as RunRow["status"]) : null;
          return known ? (
            <span key={status} className="count-pill">
              <StatusIcon status={known} size={14} />
              {STATUS_LABEL[known]} {formatCount(count)}
            </span>
          ) : null;
        })}
        {preview.skipped ? (
          <span className="muted">{formatCount(preview.skipped)} more match, but their state does not allow it</span>
        ) : null}
      </div>
      <ul className="preview-list">
        {sample.map((row) => (
          <li key={row.id}>
            <StatusIcon status={row.status} size={14} />
            <span>{row.workflow}</span>
            <span className="mono muted">{shortId(row.id)}</span>
          </li>
        ))}
        {preview.matched > sample.length ? (
          <li className="muted">and {formatCount(preview.matched - sample.length)} more</li>
        ) : null}
      </ul>
    </>
  );
}
