import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { cancelRun } from "../../../api/actions";
import { undoQuery } from "../../../api/queries";
import type { RunDetail } from "../../../api/wire";
import { Dialog } from "../../../ui/Dialog";
import { Notice } from "../../../ui/Notice";
import { Skeleton } from "../../../ui/Notice";
import { QueryView } from "../../../ui/QueryView";
import { childRows } from "../children";
import { Compensations } from "../Compensations";
import { useRunAct } from "./useRunAct";

export function CancelDialog({ detail }: { detail: RunDetail }) {
  const { run } = detail;
  const [children, setChildren] = useState(false);
  const { act, busy, refusal } = useRunAct(
    run.id,
    () => cancelRun(run.id, { compensate: false, children }),
    "Cancelled.",
  );
  return (
    <Dialog
      title="Cancel this run?"
      confirm="Cancel the run"
      danger
      onConfirm={() => act(undefined)}
      busy={busy}
      refusal={refusal}
    >
      <p>
        It stops before its next step. A step in flight may still take effect; its result is dropped. What completed
        stays done: to reverse it, use <em>Cancel and undo</em>.
      </p>
      <ChildrenCheck detail={detail} checked={children} onChange={setChildren} />
    </Dialog>
  );
}

export function UndoDialog({ detail }: { detail: RunDetail }) {
  const { run } = detail;
  const preview = useQuery(undoQuery(run.id));
  const [children, setChildren] = useState(false);
  const { act, busy, refusal } = useRunAct(
    run.id,
    () => cancelRun(run.id, { compensate: true, children }),
    "The undo is under way.",
  );
  const ended = run.finishedAt !== undefined;
  return (
    <Dialog
      title={ended ? "Undo this run?" : "Cancel and undo this run?"}
      confirm={ended ? "Undo" : "Cancel and undo"}
      danger
      wide
      onConfirm={() => act(undefined)}
      busy={busy}
      disabled={!preview.isSuccess}
      refusal={refusal}
    >
      <p>
        {ended ? "" : "It is cancelled first, and the undo waits until it is quiet. "}Then the compensation of each
        completed step runs, the latest first, each as a durable step. An undone run cannot be retried, only forked.
      </p>
      <QueryView query={preview} what="The preview" pending={<Skeleton rows={3} />}>
        {({ compensations, notes }) => (
          <>
            {compensations.every((step) => !step.undo) && !notes ? (
              <Notice title="Nothing to compensate">
                No step that ran declares a compensation. {ended ? "" : "The run would only be cancelled."}
              </Notice>
            ) : null}
            {compensations.length > 0 ? <Compensations steps={compensations} /> : null}
            {notes?.map((note) => (
              <p key={note}>{note}</p>
            ))}
          </>
        )}
      </QueryView>
      {ended ? null : <ChildrenCheck detail={detail} checked={children} onChange={setChildren} />}
    </Dialog>
  );
}

function ChildrenCheck({
  detail,
  checked,
  onChange,
}: {
  detail: RunDetail;
  checked: boolean;
  onChange: (on: boolean) => void;
}) {
  const children = childRows(detail);
  if (children.length === 0) return null;
  const open = children.filter((child) => !child.finishedAt).length;
  return (
    <label className="check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} />
      <span>Cancel the runs that it started too{open > 0 ? ` (${open} open)` : ""}</span>
    </label>
  );
}
