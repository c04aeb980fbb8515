import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { moveRun } from "../../../api/actions";
import { moveCheckQuery, versionsQuery } from "../../../api/queries";
import type { RunDetail } from "../../../api/wire";
import { errorText } from "../../../lib/errors";
import { Dialog } from "../../../ui/Dialog";
import { Notice, Skeleton } from "../../../ui/Notice";
import { useRunAct } from "./useRunAct";

/** Put a run on a version that live workers have, after a look at whether its recorded steps fit there. */
export function MoveDialog({ detail: { run } }: { detail: RunDetail }) {
  const versions = useQuery(versionsQuery);
  const live = (versions.data ?? []).filter((one) => one.liveExecutors > 0 && one.version !== run.workflowVersion);
  const [chosen, setChosen] = useState<string | null>(null);
  const [force, setForce] = useState(false);
  const version = chosen ?? live[0]?.version ?? null;
  const check = useQuery({ ...moveCheckQuery(run.id, version ?? ""), enabled: version !== null });
  const differs = check.data !== undefined && !check.data.matches;
  const { act, busy, refusal } = useRunAct(
    run.id,
    () => moveRun(run.id, { version: version ?? "", force: differs && force }),
    (answer) => `Moved to ${answer.version}.`,
  );
  return (
    <Dialog
      title="Move to another version"
      confirm={version === null ? "Move" : `Move to ${version}`}
      onConfirm={() => act(undefined)}
      busy={busy}
      disabled={version === null || check.isPending || check.isError || (differs && !force)}
      refusal={refusal ?? (check.isError ? errorText(check.error) : null)}
    >
      <p>
        It continues under the same id{run.workflowVersion ? `, now on ${run.workflowVersion}` : ""}. Completed steps
        are kept, so the code of the other version must reach the same steps in the same order.
      </p>
      {versions.isPending ? <Skeleton rows={2} /> : null}
      {versions.isSuccess && live.length === 0 ? (
        <Notice tone="warn" title="No other version is alive">
          Start a worker of the version that shall take it.
        </Notice>
      ) : null}
      {live.length > 0 ? (
        <label className="field">
          <span>Version</span>
          <select className="select" value={version ?? ""} onChange={(event) => setChosen(event.target.value)}>
            {live.map((one) => (
              <option key={one.version}>{one.version}</option>
            ))}
          </select>
        </label>
      ) : null}
      {check.isFetching && version !== null ? <Skeleton rows={1} /> : null}
      {check.data?.matches ? (
        <Notice tone="good" title="Its steps fit">
          {check.data.compared === 0
            ? "No completed run of that version is there to compare with."
            : `Compared with ${check.data.compared} completed ${check.data.compared === 1 ? "run" : "runs"} of that version.`}
          {(check.data.notes ?? []).map((note) => (
            <p key={note}>{note}</p>
          ))}
        </Notice>
      ) : null}
      {differs ? (
        <>
          <Notice tone="bad" title="Its steps differ">
            {check.data?.divergence
              ? `Step ${check.data.divergence.seq} of this run is ${check.data.divergence.recorded}; that version has ${check.data.divergence.expected.join(" or ") || "no step"} there.`
              : "The recorded steps are not those of that version."}
          </Notice>
          <label className="check">
            <input type="checkbox" checked={force} onChange={(event) => setForce(event.target.checked)} />
            <span>Move it all the same</span>
          </label>
        </>
      ) : null}
    </Dialog>
  );
}
