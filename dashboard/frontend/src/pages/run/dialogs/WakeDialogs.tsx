import { useState } from "react";
import { redispatchRun, wakeRun } from "../../../api/actions";
import type { RunDetail } from "../../../api/wire";
import { isHeld } from "../../../lib/status";
import { Dialog } from "../../../ui/Dialog";
import { useRunAct } from "./useRunAct";

const COMMENT_CHARS = 2_000; // as the server does

export function WakeDialog({ detail: { run } }: { detail: RunDetail }) {
  const [comment, setComment] = useState("");
  const { act, busy, refusal } = useRunAct(
    run.id,
    () => wakeRun(run.id, { comment: comment.trim(), ...(run.waiting?.seq == null ? {} : { seq: run.waiting.seq }) }),
    "Woken.",
  );
  return (
    <Dialog title="Wake this run?" confirm="Wake" onConfirm={() => act(undefined)} busy={busy} refusal={refusal}>
      <p>
        The run sleeps: <strong>{run.waiting?.name ?? "sleep"}</strong>. It continues now, as its workflow does for one
        that was woken.
      </p>
      <label className="field">
        <span>
          Comment<span className="muted normal"> optional, handed to the workflow and kept in the audit log</span>
        </span>
        <input
          className="input"
          value={comment}
          maxLength={COMMENT_CHARS}
          data-autofocus
          onChange={(event) => setComment(event.target.value)}
        />
      </label>
    </Dialog>
  );
}

export function RedispatchDialog({ detail: { run } }: { detail: RunDetail }) {
  const [force, setForce] = useState(false);
  const { act, busy, refusal } = useRunAct(
    run.id,
    () => redispatchRun(run.id, force),
    (answer) => (answer.redispatched ? "Re-dispatched." : "It is already on its queue."),
  );
  return (
    <Dialog
      title="Re-dispatch this run?"
      confirm="Re-dispatch"
      onConfirm={() => act(undefined)}
      busy={busy}
      refusal={refusal}
    >
      <p>
        For a run whose worker is lost: it is put back on its queue, and another worker continues after the last
        completed step. If the old worker is still alive, its late result is dropped, but the step in flight runs twice.
      </p>
      {isHeld(run) ? null : (
        <label className="check">
          <input type="checkbox" checked={force} onChange={(event) => setForce(event.target.checked)} />
          <span>I am sure its worker is gone</span>
        </label>
      )}
    </Dialog>
  );
}
