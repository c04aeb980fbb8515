import { decideRun } from "../../../api/actions";
import { keys } from "../../../api/keys";
import type { Run } from "../../../api/wire";
import { DecisionDialog } from "../../../features/decision/DecisionDialog";

/** Say that a run's failure needs nobody any more, or that it does after all. */
export function RunDecisionDialog({ run }: { run: Run }) {
  const reopens = run.dealtWith !== undefined;
  return (
    <DecisionDialog
      title={reopens ? "Reopen the failure of this run?" : "Mark this run as dealt with?"}
      text={
        reopens
          ? "It counts as an open failure again."
          : "It stays failed, and no longer counts as open. Everybody sees who said so, and the note."
      }
      confirm={reopens ? "Reopen" : "Dealt with"}
      said={reopens ? "Open again." : "Dealt with."}
      example="Refunded by hand, for example"
      send={(note) => decideRun(run.id, { state: reopens ? "open" : "dealt_with", note })}
      touches={[keys.run(run.id)]}
    />
  );
}
