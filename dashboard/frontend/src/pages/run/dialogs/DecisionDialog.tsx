import { useState } from "react";
import { decideRun } from "../../../api/actions";
import type { Run } from "../../../api/wire";
import { Dialog } from "../../../ui/Dialog";
import { useRunAct } from "./useRunAct";

/** Say that a run's failure needs nobody any more, or that it does after all. */
export function DecisionDialog({ run }: { run: Run }) {
  const reopens = run.dealtWith !== undefined;
  const [note, setNote] = useState("");
  const { act, busy, refusal } = useRunAct(
    run.id,
    () => decideRun(run.id, { state: reopens ? "open" : "dealt_with", note: note.trim() }),
    reopens ? "Open again." : "Dealt with.",
  );
  return (
    <Dialog
      title={reopens ? "Reopen the failure of this run?" : "Mark this run as dealt with?"}
      confirm={reopens ? "Reopen" : "Dealt with"}
      onConfirm={() => act(undefined)}
      busy={busy}
      refusal={refusal}
    >
      <p>
        {reopens
          ? "It counts as an open failure again."
          : "It stays failed, and no longer counts as open. Everybody sees who said so, and the note."}
      </p>
      <label className="field">
        <span>Note</span>
        <input
          className="input"
          value={note}
          maxLength={2000}
          placeholder="Refunded by hand, for example"
          data-autofocus
          onChange={(event) => setNote(event.target.value)}
        />
      </label>
    </Dialog>
  );
}
