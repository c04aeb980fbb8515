import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { applyBulk, type BulkAction, type BulkOptions, previewBulk } from "../../api/actions";
import { keys } from "../../api/keys";
import type { BulkAnswer, BulkGroup } from "../../api/wire";
import { errorText } from "../../lib/errors";
import type { RunFilter } from "../../lib/filter";
import { counted, knownStatus, shortId, shortType, STATUS } from "../../lib/status";
import { formatCount, resolveSince } from "../../lib/time";
import { useAct } from "../../shell/useAct";
import { Dialog } from "../../ui/Dialog";
import { StatusIcon } from "../../ui/icons";
import { Notice, Skeleton } from "../../ui/Notice";
import { Outcome } from "./Outcome";
import { VERB } from "./words";

const NO_OPTIONS: BulkOptions = { compensate: false, children: false, toQueue: "", canary: false };
const SAMPLE_SHOWN = 8;

export interface BulkDialogProps {
  action: BulkAction;
  filter: RunFilter;
  /** Only these of the filter: the runs that were ticked. */
  ids?: readonly string[];
  /** Suggest to try a part first. */
  canary?: boolean;
  /** When it was applied. */
  onDone?: () => void;
}

/** Shows what an action on every run of a filter, or on the ticked ones, would touch; and does it, as one bulk action. */
export function BulkDialog({ action, filter, ids, canary = false, onDone }: BulkDialogProps) {
  // A moving window stands still from the preview on: what is applied is what was shown.
  const [fixed] = useState<RunFilter>(() =>
    filter.since ? { ...filter, since: resolveSince(filter.since, Date.now()) } : filter,
  );
  const [options, setOptions] = useState<BulkOptions>({ ...NO_OPTIONS, canary });
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const look = useQuery({
    queryKey: keys.bulkPreview(action, fixed, ids),
    queryFn: () => previewBulk(action, fixed, ids),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const preview = look.data;
  const groups = preview?.groups ?? [];
  const taken = groups.filter((group) => !left.has(keyOf(group)));
  const count = left.size === 0 ? (preview?.matched ?? 0) : taken.reduce((sum, group) => sum + group.count, 0);
  const { act, isPending, error, data } = useAct({
    send: () =>
      applyBulk(action, fixed, options, {
        ...(preview?.boundMs === undefined ? {} : { boundMs: preview.boundMs }),
        ...(ids === undefined ? {} : { ids: [...ids] }),
        ...(left.size === 0 ? {} : { errors: taken.map(keyOf) }),
      }),
    said: null,
    then: () => onDone?.(),
  });
  const none = preview !== undefined && count === 0;
  const refusal = look.error ?? error;
  if (data) return <Outcome action={action} answer={data} />;
  return (
    <Dialog
      title={
        ids ? `${VERB[action]} ${counted(ids.length, "ticked run")}?` : `${VERB[action]} every run of this filter?`
      }
      confirm={preview && !none ? `${VERB[action]} ${counted(count, "run")}` : VERB[action]}
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
      {preview ? <Preview preview={preview} ticked={ids !== undefined} /> : null}
      {groups.length > 1 ? <Groups groups={groups} left={left} onChange={setLeft} /> : null}
      {preview && preview.matched > 0 ? (
        <Options action={action} options={options} several={count > 1} onChange={setOptions} />
      ) : null}
    </Dialog>
  );
}

/** The errors that the runs died of, each to be left out. */
function Groups({
  groups,
  left,
  onChange,
}: {
  groups: readonly BulkGroup[];
  left: ReadonlySet<string>;
  onChange: (left: ReadonlySet<string>) => void;
}) {
  const toggle = (key: string): void => {
    const next = new Set(left);
    if (!next.delete(key)) next.add(key);
    onChange(next);
  };
  return (
    <fieldset className="preview-groups">
      <legend>By last error</legend>
      {groups.map((group) => {
        const key = keyOf(group);
        return (
          <label key={key} className="check">
            <input type="checkbox" checked={!left.has(key)} onChange={() => toggle(key)} />
            <span className="num">{formatCount(group.count)}</span>
            <span className="clip">
              {group.type === undefined ? (
                "No error that is known"
              ) : (
                <>
                  <strong>{shortType(group.type)}</strong>
                  {group.step ? ` · ${group.step}` : ""} <span className="mono muted">{group.template}</span>
                </>
              )}
            </span>
          </label>
        );
      })}
    </fieldset>
  );
}

const keyOf = (group: BulkGroup): string => group.fingerprint ?? "";

function Options({
  action,
  options,
  several,
  onChange,
}: {
  action: BulkAction;
  options: BulkOptions;
  several: boolean;
  onChange: (next: BulkOptions) => void;
}) {
  if (action === "retry") {
    return (
      <>
        {several ? (
          <label className="check">
            <input
              type="checkbox"
              checked={options.canary}
              onChange={(event) => onChange({ ...options, canary: event.target.checked })}
            />
            <span>
              Try a part first: 1, 5, then 25 %. The first that fails again with the same error stops it, and the others
              stay as they are.
            </span>
          </label>
        ) : null}
        <label className="field">
          <span>Move to queue</span>
          <input
            className="input"
            value={options.toQueue}
            placeholder="each stays on its own"
            onChange={(event) => onChange({ ...options, toQueue: event.target.value.trim() })}
          />
        </label>
      </>
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

function Preview({ preview, ticked }: { preview: BulkAnswer; ticked: boolean }) {
  if (preview.matched === 0)
    return (
      <Notice title="No run would be touched">
        {ticked ? "None of these runs" : "No run of this filter"} is in a state that allows it.
      </Notice>
    );
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
