import { useState } from "react";
import { retryRun } from "../../../api/actions";
import type { RunDetail } from "../../../api/wire";
import { namedQueue } from "../../../lib/status";
import { Dialog } from "../../../ui/Dialog";
import { useRunAct } from "./useRunAct";

export function RetryDialog({ detail }: { detail: RunDetail }) {
  const { run, timeline } = detail;
  const [queue, setQueue] = useState("");
  const { act, busy, refusal } = useRunAct(
    run.id,
    () => retryRun(run.id, queue.trim() || undefined),
    "Retry is under way.",
  );
  const failed = timeline.findLast((step) => step.status === "failed");
  const kept = timeline.filter(
    (step) => step.status === "completed" && !step.housekeeping && step.compensates === undefined,
  ).length;
  return (
    <Dialog title="Retry this run?" confirm="Retry" onConfirm={() => act(undefined)} busy={busy} refusal={refusal}>
      <p>
        It continues under the same id
        {failed ? (
          <>
            {" "}
            from <strong>{failed.name}</strong>
          </>
        ) : null}
        .
        {kept > 0
          ? ` ${kept === 1 ? "The completed step is" : `The ${kept} completed steps are`} kept and not run again.`
          : ""}
        {failed?.childRunId ? " The child run that failed is retried first." : ""}
      </p>
      <label className="field">
        <span>Queue</span>
        <input
          className="input"
          value={queue}
          placeholder={namedQueue(run.queue) ?? "the one it was on"}
          onChange={(event) => setQueue(event.target.value)}
        />
        <small className="muted">Leave empty to keep its own queue and that queue's limits.</small>
      </label>
    </Dialog>
  );
}
