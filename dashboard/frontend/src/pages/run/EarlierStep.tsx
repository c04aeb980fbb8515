import type { GraphNode, RunDetail } from "../../api/wire";
import { knownStatus, shortType, STATUS, stepLabel } from "../../lib/status";
import { formatDuration } from "../../lib/time";
import { Clock } from "../../ui/Ago";
import { IconButton } from "../../ui/Button";
import { StatusIcon } from "../../ui/icons";

interface Props {
  /** A step of an earlier attempt. */
  node: GraphNode;
  attempts: RunDetail["attempts"];
  onClose: () => void;
}

/** What is kept of a step of an earlier attempt: the engine forgot its payloads when the run was put back. */
export function EarlierStep({ node, attempts, onClose }: Props) {
  const kept = attempts.find(({ n }) => n === node.attempt)?.steps?.find(({ seq }) => seq === node.seq);
  const status = knownStatus(kept?.status ?? node.status);
  const durationMs = kept?.durationMs ?? node.durationMs;
  return (
    <section className="earlier-step" data-status={status} aria-label={`Step of attempt ${node.attempt}`}>
      <header>
        <StatusIcon status={status} size={14} />
        <strong>{stepLabel(node.label, node.compensates)}</strong>
        <span className="muted">attempt {node.attempt}</span>
        <IconButton icon="close" label="Close the step of the earlier attempt" onClick={onClose} />
      </header>
      <p className="muted">
        {STATUS[status].label}
        {durationMs !== undefined ? ` after ${formatDuration(durationMs)}` : ""}
        {kept?.startedAt ? (
          <>
            , began <Clock at={kept.startedAt} />
          </>
        ) : null}
        {status === "interrupted" ? ". It may have had its effect" : ""}.
      </p>
      {kept?.error ? (
        <p className="earlier-error">
          {kept.error.type ? <strong>{shortType(kept.error.type)}</strong> : null} {kept.error.message}
        </p>
      ) : null}
    </section>
  );
}
