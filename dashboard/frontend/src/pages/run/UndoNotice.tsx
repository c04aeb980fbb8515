import { useQuery } from "@tanstack/react-query";
import { retryRun } from "../../api/actions";
import { keys } from "../../api/keys";
import { undoQuery } from "../../api/queries";
import type { RunDetail } from "../../api/wire";
import { errorText } from "../../lib/errors";
import { whyReadOnly } from "../../shell/access";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { useAct } from "../../shell/useAct";
import { Button } from "../../ui/Button";
import { Notice } from "../../ui/Notice";
import { Compensations } from "./Compensations";

/** How far the undo is, or how it went. A stuck compensation is shown and never halts the rest. */
export function UndoNotice({ detail }: { detail: RunDetail }) {
  const { run, lineage } = detail;
  const active = run.status === "cancelling";
  const query = useQuery({ ...undoQuery(run.id), refetchInterval: active ? 1000 : false });
  const steps = query.data?.compensations.filter((step) => step.undo) ?? [];
  const done = steps.filter((step) => step.status === "completed").length;
  const failed = steps.filter((step) => step.status === "failed").length;
  const stuck = !active && lineage.undo?.status === "failed";
  const { act, isPending, error } = useAct({
    send: (undoId: string) => retryRun(undoId),
    said: "The undo continues.",
    touches: [keys.run(run.id)],
  });
  const actions = lineage.undo ? (
    <>
      {stuck ? (
        <Button
          tone="primary"
          icon="retry"
          disabled={whyReadOnly() !== undefined}
          title={whyReadOnly()}
          busy={isPending}
          onClick={() => {
            if (lineage.undo) act(lineage.undo.id);
          }}
        >
          Retry the undo
        </Button>
      ) : null}
      <Link to={links.run(lineage.undo.id)} className="btn">
        Open the undo
      </Link>
    </>
  ) : undefined;
  return (
    <Notice
      tone={stuck || failed > 0 ? "bad" : active ? "info" : "good"}
      title={active ? "Being undone" : stuck ? "The undo is stuck" : "Undone"}
      actions={actions}
    >
      <p>
        {steps.length > 0
          ? `${done} of ${steps.length} compensations done${failed > 0 ? `, ${failed} failed` : ""}. `
          : ""}
        {active
          ? "They run in reverse order; the run is cancelled when they are through."
          : stuck
            ? "Fix the cause, then retry the undo: only what failed runs again."
            : "It cannot be retried, because its effects are gone. Fork it from step 1 instead."}
      </p>
      {error ? <p className="field-error">{errorText(error)}</p> : null}
      {active || stuck ? (
        <details className="stack" open={stuck || failed > 0}>
          <summary>Compensations</summary>
          <Compensations steps={query.data?.compensations ?? []} />
        </details>
      ) : null}
    </Notice>
  );
}
