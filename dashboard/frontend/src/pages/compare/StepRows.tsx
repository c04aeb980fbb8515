import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { compareQuery } from "../../api/queries";
import type { ComparedRow, ComparedRun } from "../../api/wire";
import { counted, stepLabel } from "../../lib/status";
import { formatDuration } from "../../lib/time";
import { Button } from "../../ui/Button";
import { StatusIcon } from "../../ui/icons";
import { Failure, Skeleton } from "../../ui/Notice";
import { PayloadDiff } from "./PayloadDiff";
import type { Shown } from "./rows";
import css from "./compare.module.css";

type Step = NonNullable<ComparedRow["run"]>;

interface Props {
  runId: string;
  shown: readonly Shown[];
  /** The row that differs first. */
  first: number | undefined;
  other: ComparedRun;
  onOpen: (at: number) => void;
}

/** Steps of two runs, those of one name beside one another. A row opens to how its outputs differ. */
export function StepRows({ runId, shown, first, other, onOpen }: Props) {
  const [chosen, setChosen] = useState<number | null>(null);
  const longest = Math.max(
    1,
    ...shown.flatMap((entry) =>
      "row" in entry ? [entry.row.run?.durationMs ?? 0, entry.row.other?.durationMs ?? 0] : [],
    ),
  );
  if (shown.length === 0) return <p className="muted">Neither run has steps.</p>;
  return (
    <ol className={css.rows}>
      {shown.map((entry) => {
        if ("alike" in entry) {
          return (
            <li key={`alike ${entry.at}`} className={css.alike}>
              <Button onClick={() => onOpen(entry.at)}>{counted(entry.alike.length, "step")} alike</Button>
            </li>
          );
        }
        const { row, at } = entry;
        const seq = row.run && row.other && other.attempt === undefined ? row.run.seq : null;
        const isFirst = at === first;
        return (
          <li key={at} data-differs={row.differs || undefined} data-first={isFirst || undefined}>
            <button
              type="button"
              className={css.row}
              disabled={seq === null}
              aria-expanded={seq === null ? undefined : chosen === seq}
              onClick={() => setChosen(chosen === seq ? null : seq)}
            >
              <Cell step={row.run} longest={longest} missing="not in this run" />
              <Cell step={row.other} longest={longest} missing="not in the other" />
              {isFirst ? <span className="sr-only">first difference</span> : null}
            </button>
            {seq !== null && chosen === seq ? <Outputs runId={runId} other={other} seq={seq} /> : null}
          </li>
        );
      })}
    </ol>
  );
}

function Cell({ step, longest, missing }: { step: Step | undefined; longest: number; missing: string }) {
  if (!step) return <span className={`${css.cell} ${css.missing}`}>{missing}</span>;
  return (
    <span className={css.cell} data-status={step.status}>
      <StatusIcon status={step.status} size={14} />
      <span className={css.step} title={step.error}>
        {stepLabel(step.name, undefined)}
        {step.error ? <span className={css.reason}> {step.error}</span> : null}
      </span>
      <span className={css.track} aria-hidden="true">
        <span className={css.length} style={{ width: `${((step.durationMs ?? 0) / longest) * 100}%` }} />
      </span>
      <span className={css.took}>{step.durationMs === undefined ? "" : formatDuration(step.durationMs)}</span>
    </span>
  );
}

function Outputs({ runId, other, seq }: { runId: string; other: ComparedRun; seq: number }) {
  const query = useQuery(compareQuery(runId, other.id, null, seq));
  if (query.isPending) return <Skeleton rows={1} />;
  if (query.isError) return <Failure what="The outputs" error={query.error} onRetry={() => void query.refetch()} />;
  return query.data.stepOutput ? (
    <PayloadDiff title="Output of the step" diff={query.data.stepOutput} />
  ) : (
    <p className="muted">No output of both was kept.</p>
  );
}
