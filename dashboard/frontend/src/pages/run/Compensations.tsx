import type { UndoView } from "../../api/wire";
import { knownStatus, shortId } from "../../lib/status";
import { Glyph, StatusIcon } from "../../ui/icons";
import { JsonView } from "../../ui/JsonView";
import "./undo.css";

type Compensation = UndoView["compensations"][number];

/** In the order in which they run. A step that was in flight is shown as what it is: maybe done. */
export function Compensations({ steps }: { steps: Compensation[] }) {
  return (
    <ol className="undo-list">
      {steps.map((step, index) => (
        <li key={`${step.seq}-${step.childRunId ?? ""}-${index}`} data-none={step.undo ? undefined : true}>
          {step.status === "completed" || step.status === "failed" || step.status === "running" ? (
            <StatusIcon status={knownStatus(step.status)} />
          ) : (
            <Glyph name={step.undo ? "undo" : "minus"} />
          )}
          <One step={step} />
        </li>
      ))}
    </ol>
  );
}

function One({ step }: { step: Compensation }) {
  return (
    <div>
      <div>
        <strong title={step.undo}>{step.undo ? `Undo ${step.step}` : step.step}</strong>{" "}
        <span className="muted">
          {step.undo ? "" : "declares no compensation, "}step {step.seq}
          {step.childRunId ? ` of child ${shortId(step.childRunId)}` : ""}
        </span>
      </div>
      {step.executing ? (
        <p className="small">It is executing now: the undo waits for its end.</p>
      ) : step.maybe ? (
        <p className="small">It started, but its outcome was never recorded. It may have taken effect.</p>
      ) : null}
      {step.error ? <p className="field-error">{step.error}</p> : null}
      {step.output !== undefined ? <JsonView value={step.output} open={0} label={`Output of ${step.step}`} /> : null}
    </div>
  );
}
