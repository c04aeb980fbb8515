import { useState } from "react";
import { type BulkAction, cancelRun, retryRun } from "../../api/actions";
import type { RunRow } from "../../api/wire";
import { errorText } from "../../lib/errors";
import { counted, shortId } from "../../lib/status";
import { links } from "../../shell/links";
import { useCloseOverlay } from "../../shell/overlay";
import { Link } from "../../shell/router";
import { useAct } from "../../shell/useAct";
import { Dialog } from "../../ui/Dialog";
import { Notice } from "../../ui/Notice";
import { VERB } from "./words";

interface Tally {
  done: number;
  refused: { id: string; why: string }[];
}

const NOTHING: Tally = { done: 0, refused: [] };
const REFUSALS_SHOWN = 8;

interface Props {
  action: BulkAction;
  /** Those that were ticked and that the action fits, as they were when it was pressed. */
  rows: RunRow[];
  skipped: number;
  onDone: () => void;
}

async function actOnEach(action: BulkAction, rows: RunRow[], onProgress: (tally: Tally) => void): Promise<Tally> {
  const tally: Tally = { done: 0, refused: [] };
  for (const row of rows) {
    try {
      await (action === "retry" ? retryRun(row.id) : cancelRun(row.id, { compensate: false, children: false }));
      tally.done += 1;
    } catch (error) {
      tally.refused.push({ id: row.id, why: errorText(error) });
    }
    onProgress({ done: tally.done, refused: [...tally.refused] });
  }
  return tally;
}

/** Acts on the ticked runs one by one, and says which were refused. */
export function SelectedDialog({ action, rows, skipped, onDone }: Props) {
  const close = useCloseOverlay();
  const [tally, setTally] = useState(NOTHING);
  const { act, isPending, isSuccess } = useAct({
    send: () => actOnEach(action, rows, setTally),
    said: ({ done }) => `${action === "retry" ? "Retrying" : "Cancelled"} ${counted(done, "run")}.`,
    then: ({ refused }) => {
      onDone();
      if (refused.length === 0) close();
    },
  });
  return (
    <Dialog
      title={`${VERB[action]} ${counted(rows.length, "run")}?`}
      confirm={isSuccess ? "Close" : VERB[action]}
      danger={action === "cancel" && !isSuccess}
      busy={isPending}
      onConfirm={isSuccess ? close : () => act(undefined)}
    >
      <p>
        {action === "retry"
          ? "Each continues from the step that failed, under its own id. Steps that completed do not run again."
          : "Each stops at its next step. A step in flight may still take effect."}
        {skipped > 0
          ? ` ${skipped} of the selection ${skipped === 1 ? "is" : "are"} left out: their state does not allow it.`
          : ""}
      </p>
      {isPending || isSuccess ? (
        <progress max={rows.length} value={tally.done + tally.refused.length} aria-label="Progress" />
      ) : null}
      {tally.refused.length > 0 ? (
        <Notice tone="bad" title={`${tally.refused.length} refused`}>
          <ul className="plain">
            {tally.refused.slice(0, REFUSALS_SHOWN).map((entry) => (
              <li key={entry.id}>
                <Link to={links.run(entry.id)} className="mono">
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
