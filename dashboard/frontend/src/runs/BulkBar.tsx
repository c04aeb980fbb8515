import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { applyBulk, type BulkAction, cancelRun, previewBulk, retryRun } from "../api/actions";
import type { BulkPreview, RunRow } from "../api/wire";
import { config } from "../config";
import { isEmptyFilter, type RunFilter } from "../lib/filter";
import { isOpen, STATUS_LABEL, shortId } from "../lib/status";
import { formatCount } from "../lib/time";
import { Link, runPath } from "../router";
import { Button, errorText, Notice, Skeleton } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { StatusIcon } from "../ui/icons";
import { useToast } from "../ui/toast";

interface Props {
  filter: RunFilter;
  selected: ReadonlySet<string>;
  rows: RunRow[];
  total: number | undefined;
  onClear: () => void;
}

const VIEWER = "You may look, not act. Ask for the operator role.";
const VERB: Record<BulkAction, string> = { retry: "Retry", cancel: "Cancel" };

function fits(action: BulkAction, row: RunRow): boolean {
  if (action === "cancel") return isOpen(row) && row.status !== "cancelling";
  return (row.status === "failed" || row.status === "dead" || row.status === "cancelled") && !row.undoId;
}

/** Acts on the runs that are ticked, or on every run of the filter after a look at what that means. */
export function BulkBar({ filter, selected, rows, total, onClear }: Props) {
  const [ask, setAsk] = useState<{ action: BulkAction; scope: "selected" | "filter" } | null>(null);
  const viewer = config.role === "viewer";
  if (selected.size === 0 && isEmptyFilter(filter)) return null;
  const chosen = rows.filter((row) => selected.has(row.id));
  return (
    <>
      <div className="bulkbar" role="toolbar" aria-label="Actions on many runs">
        {selected.size > 0 ? (
          <>
            <strong>{selected.size} selected</strong>
            {(["retry", "cancel"] as const).map((action) => {
              const count = chosen.filter((row) => fits(action, row)).length;
              return (
                <Button
                  key={action} icon={action === "retry" ? "retry" : "stop"} disabled={viewer || count === 0}
                  title={viewer ? VIEWER : count === 0 ? `None of them can be ${action === "retry" ? "retried" : "cancelled"}` : undefined}
                  onClick={() => setAsk({ action, scope: "selected" })}
                >
                  {`${VERB[action]} ${count}`}
                </Button>
              );
            })}
            <Button tone="quiet" onClick={onClear}>Clear</Button>
          </>
        ) : (
          <>
            <span className="muted">{total === undefined ? "Runs of this filter" : `${formatCount(total)} in the chosen filter`}</span>
            <Button tone="quiet" icon="retry" disabled={viewer} title={viewer ? VIEWER : undefined} onClick={() => setAsk({ action: "retry", scope: "filter" })}>Retry all…</Button>
            <Button tone="quiet" icon="stop" disabled={viewer} title={viewer ? VIEWER : undefined} onClick={() => setAsk({ action: "cancel", scope: "filter" })}>Cancel all…</Button>
          </>
        )}
      </div>
      {ask?.scope === "selected" ? (
        <SelectedDialog action={ask.action} rows={chosen.filter((row) => fits(ask.action, row))} skipped={chosen.filter((row) => !fits(ask.action, row)).length} onClose={() => setAsk(null)} onDone={() => { setAsk(null); onClear(); }} />
      ) : null}
      {ask?.scope === "filter" ? <FilterDialog action={ask.action} filter={filter} onClose={() => setAsk(null)} /> : null}
    </>
  );
}

interface Outcome {
  done: number;
  refused: { id: string; why: string }[];
}

function SelectedDialog({ action, rows, skipped, onClose, onDone }: { action: BulkAction; rows: RunRow[]; skipped: number; onClose: () => void; onDone: () => void }) {
  const client = useQueryClient();
  const say = useToast();
  const [outcome, setOutcome] = useState<Outcome>({ done: 0, refused: [] });
  const act = useMutation({
    mutationFn: async () => {
      const result: Outcome = { done: 0, refused: [] };
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
      if (result.refused.length > 0) return;
      say(`${action === "retry" ? "Retrying" : "Cancelled"} ${result.done} ${result.done === 1 ? "run" : "runs"}.`);
      onDone();
    },
  });
  const finished = act.isSuccess;
  return (
    <Dialog
      title={`${VERB[action]} ${rows.length} ${rows.length === 1 ? "run" : "runs"}?`} confirm={finished ? "Close" : VERB[action]} danger={action === "cancel" && !finished}
      busy={act.isPending} onClose={onClose} onConfirm={finished ? onDone : () => act.mutate()}
    >
      <p>
        {action === "retry" ? "Each goes on from the step that failed, under its own id. Steps that completed do not run again."
          : "Each stops at its next step. A step in flight may still have its effect."}
        {skipped > 0 ? ` ${skipped} of the selection ${skipped === 1 ? "is" : "are"} left out: their state does not allow it.` : ""}
      </p>
      {act.isPending || finished ? <progress max={rows.length} value={outcome.done + outcome.refused.length} aria-label="Progress" /> : null}
      {outcome.refused.length > 0 ? (
        <Notice tone="bad" title={`${outcome.refused.length} refused`}>
          <ul className="plain">{outcome.refused.slice(0, 8).map((entry) => <li key={entry.id}><Link to={runPath(entry.id)} className="mono">{shortId(entry.id)}</Link> {entry.why}</li>)}</ul>
        </Notice>
      ) : null}
    </Dialog>
  );
}

function FilterDialog({ action, filter, onClose }: { action: BulkAction; filter: RunFilter; onClose: () => void }) {
  const say = useToast();
  const client = useQueryClient();
  const [preview, setPreview] = useState<BulkPreview | null>(null);
  const look = useMutation({ mutationFn: () => previewBulk(action, filter), onSuccess: setPreview });
  const apply = useMutation({
    mutationFn: () => applyBulk(action, filter),
    onSuccess: (answer) => {
      void client.invalidateQueries({ queryKey: ["runs"] });
      say(<>{`${VERB[action]} of ${formatCount(answer.matched)} runs is under way. `}<Link to={runPath(answer.bulkId.startsWith("bulk:") ? answer.bulkId : `bulk:${answer.bulkId}`)}>See its progress</Link></>);
      onClose();
    },
  });
  const started = look.status !== "idle";
  if (!started) queueMicrotask(() => look.mutate());
  const none = preview !== null && preview.matched === 0;
  return (
    <Dialog
      title={`${VERB[action]} every run of this filter?`} confirm={preview && !none ? `${VERB[action]} ${formatCount(preview.matched)} runs` : VERB[action]}
      danger={action === "cancel"} busy={apply.isPending} disabled={preview === null || none} onClose={onClose} onConfirm={() => apply.mutate()}
      refusal={look.isError ? errorText(look.error) : apply.isError ? errorText(apply.error) : null} wide
    >
      <p>
        {action === "retry" ? "Only failed, dead and cancelled runs are retried, each from the step that failed. Completed runs are never run again."
          : "Only open runs are cancelled, each at its next step."}
        {" Nothing has happened yet: this is what it would touch."}
      </p>
      {preview === null && !look.isError ? <Skeleton rows={3} /> : null}
      {preview ? <Preview preview={preview} /> : null}
    </Dialog>
  );
}

function Preview({ preview }: { preview: BulkPreview }) {
  if (preview.matched === 0) return <Notice title="No run would be touched">The filter matches none that is in a state for it.</Notice>;
  return (
    <>
      <div className="preview-counts">
        <strong>{formatCount(preview.matched)}</strong> {preview.matched === 1 ? "run" : "runs"}
        {Object.entries(preview.byStatus).map(([status, count]) => {
          const known = status in STATUS_LABEL ? (status as RunRow["status"]) : null;
          return known ? <span key={status} className="count-pill"><StatusIcon status={known} size={14} />{STATUS_LABEL[known]} {formatCount(count)}</span> : null;
        })}
      </div>
      <ul className="preview-list">
        {preview.sample.slice(0, 8).map((row) => (
          <li key={row.id}><StatusIcon status={row.status} size={14} /><span>{row.workflow}</span><span className="mono muted">{shortId(row.id)}</span></li>
        ))}
        {preview.matched > Math.min(8, preview.sample.length) ? <li className="muted">and {formatCount(preview.matched - Math.min(8, preview.sample.length))} more</li> : null}
      </ul>
    </>
  );
}
