import type { RunStatus } from "../api/wire";
import { STATUS } from "../lib/status";
import { StatusIcon } from "./icons";
import "./Badge.css";

export function StatusBadge({ status }: { status: RunStatus }) {
  return (
    <span className="badge" data-status={status} title={STATUS[status].hint}>
      <StatusIcon status={status} />
      {STATUS[status].label}
    </span>
  );
}
