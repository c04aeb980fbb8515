import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { applyBulk, type BulkAction, type BulkOptions, previewBulk } from "../../api/actions";
import { keys } from "../../api/keys";
import type { BulkAnswer } from "../../api/wire";
import { errorText } from "../../lib/errors";
import type { RunFilter } from "../../lib/filter";
import { counted, knownStatus, shortId, STATUS } from "../../lib/status";
import { formatCount, resolveSince } from "../../lib/time";
import { useAct } from "../../shell/useAct";
import { Dialog } from "../../ui/Dialog";
import { StatusIcon } from "../../ui/icons";
import { Notice, Skeleton } from "../../ui/Notice";
import { Outcome } from "./Outcome";
import { VERB } from "./words";

const NO_OPTIONS: BulkOptions = { compensate: false, children: false, toQueue: "" };
const SAMPLE_SHOWN = 8;

/** Shows what an action on every run of a filter would touch, and does it. */
export function FilterDialog({ action, filter }: { action: BulkAction; filter: RunFilter }) {
  // A moving window stands still from the preview on: what is applied is what was shown.
  const [fixed] = useState<RunFilter>(() =>
    filter.since ? { ...filter, since: resolveSince(filter.since, Date.now()) } : filter,
  );
  const [options, setOptions] = useState<BulkOptions>(NO_OPTIONS);
  const look = useQuery({
    queryKey: keys.bulkPreview(action, fixed),
    queryFn: () => previewBulk(action, fixed),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const preview = look.data;
  const { act, isPending, error, data } = useAct({
    send: () => applyBulk(action, fixed, options, preview?.boundMs),
    said: null,
  });
  const none = preview?.matched === 0;
  const refusal = look.error ?? error;
  if (data) return <Outcome action={action} answer={data} />;
  return (
    <Dialog
      title={`${VERB[action]} every run of this filter?`}
      confirm={preview && !none ? `${VERB[action]} ${counted(preview.matched, "run")}` : VERB[action]}
      danger={action === "cancel"}
      busy={isPending}
      disabled={preview === undefined || none}
      onConfirm={() => act(undefined)}
      refusal={refusal ? errorText(refusal) : null}
      wide
    >
      <p>
        {action === "retry"
          ? "Failed, dead and cancelled runs continue from the step that failed. Completed runs are never run again."
          : "Open runs stop, each at its next step."}
        {" Nothing has happened yet: this is what it would touch, and it touches nothing newer."}
      </p>
      {look.isPending ? <Skeleton rows={3} /> : null}
      {preview ? <Preview preview={preview} /> : null}
      {preview && !none ? <Options action={action} options={options} onChange={setOptions} /> : null}
    </Dialog>
  );
}

function Options({
  action,
  options,
  onChange,
}: {
  action: BulkAction;
  options: BulkOptions;
  onChange: (next: BulkOptions) => void;
}) {
  if (action === "retry") {
    return (
      <label className="field">
        <span>Move to queue</span>
        <input
          className="input"
          value={options.toQueue}
          placeholder="each stays on its own"
          onChange={(event) => onChange({ ...options, toQueue: event.target.value.trim() })}
        />
      </label>
    );
  }
  return (
    <div className="options">
      <label className="check">
        <input
          type="checkbox"
          checked={options.children}
          onChange={(event) => onChange({ ...options, children: event.target.checked })}
        />
        <span>Cancel the runs that they started too</span>
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={options.compensate}
          onChange={(event) => onChange({ ...options, compensate: event.target.checked })}
        />
        <span>Undo them too: run their compensations</span>
      </label>
    </div>
  );
}

function Preview({ preview }: { preview: BulkAnswer }) {
  if (preview.matched === 0)
    return <Notice title="No run would be touched">No run of this filter is in a state that allows it.</Notice>;
  const sample = (preview.sample ?? []).slice(0, SAMPLE_SHOWN);
  return (
    <>
      <div className="preview-counts">
        <strong>{formatCount(preview.matched)}</strong> {preview.matched === 1 ? "run" : "runs"}
        {Object.entries(preview.byStatus ?? {}).map(([status, count]) => (
          <span key={status} className="count-pill">
            <StatusIcon status={knownStatus(status)} size={14} />
            {STATUS[knownStatus(status)].label} {formatCount(count)}
          </span>
        ))}
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
