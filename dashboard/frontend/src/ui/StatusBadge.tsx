import type { RunStatus } from "../api/wire";
import { STATUS_HINT, STATUS_LABEL } from "../lib/status";
import { StatusIcon } from "./icons";
import "./Badge.css";

export function StatusBadge({ status }: { status: RunStatus }) {
  return (
    <span className="badge" data-status={status} title={STATUS_HINT[status]}>
      <StatusIcon status={status} />
      {STATUS_LABEL[status]}
    </span>
  );
}
