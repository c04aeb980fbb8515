/** What the graph's boxes look like. They draw their data and fetch nothing. */
import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import { memo } from "react";
import type { GraphNode } from "../../api/wire";
import { KIND_LABEL, knownStatus, STATUS, stepLabel } from "../../lib/status";
import { formatDuration, formatGrowing, parseTime } from "../../lib/time";
import { useNow } from "../../lib/clock";
import { Glyph, KindIcon, StatusIcon } from "../../ui/icons";

export interface NodeData extends Record<string, unknown> {
  node: GraphNode;
  onToggle?: (id: string) => void;
  /** Named as its group is: the number says enough. */
  alike?: boolean;
  /** Its worker is lost: what the store takes for running stands still. */
  stranded?: boolean;
  /** Whether the child that it started is drawn below; absent where it started none. */
  opened?: boolean;
  onChild?: (childId: string) => void;
}
export type FlowNode = Node<NodeData>;

function Ports() {
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
}

function Took({ node }: { node: GraphNode }) {
  const growing = node.status === "running";
  const now = useNow(growing);
  const started = parseTime(node.startedAt);
  const wake = parseTime(node.wakeAt);
  if (growing && wake !== null && wake > now) return <>{formatGrowing(wake - now)} left</>;
  if (growing && started !== null) return <>{formatGrowing(now - started)}</>;
  if (node.durationMs !== undefined) return <>{formatDuration(node.durationMs)}</>;
  return node.status === "pending" ? <>queued</> : null;
}

/** The same grammar as everywhere: hatched in the queue, solid at work. */
function Foot({ node }: { node: GraphNode }) {
  const queue = node.queueMs ?? 0;
  const total = queue + (node.durationMs ?? 0);
  if (queue <= 0 || total <= 0) return <span className="node-foot" />;
  return (
    <span className="node-foot" title={`${formatDuration(queue)} in queue`}>
      <span className="node-queue" style={{ width: `${Math.max(4, (queue / total) * 100)}%` }} />
    </span>
  );
}

function ChildToggle({ data: { node, opened, onChild } }: { data: NodeData }) {
  const child = node.childRunId;
  if (child === undefined || onChild === undefined) return null;
  return (
    <button
      type="button"
      className="node-child"
      aria-expanded={opened}
      aria-label={`Child of ${node.label}, step ${node.seq}`}
      title={opened ? "Close this child" : "Open this child below"}
      onClick={(event) => {
        event.stopPropagation();
        onChild(child);
      }}
    >
      <Glyph name={opened ? "minus" : "plus"} size={12} />
    </button>
  );
}

const StepNode = memo(function StepNode({ data, selected }: NodeProps<FlowNode>) {
  const { node } = data;
  const status = data.stranded && node.status === "running" ? "blocked" : knownStatus(node.status);
  const cell = node.groupId !== undefined;
  const parked = node.kind === "sleep" || node.kind === "signal";
  if (cell || node.housekeeping) {
    return (
      <div
        className={cell ? "node node-cell" : "node node-small"}
        data-status={status}
        data-selected={selected || undefined}
        title={`${node.label}, step ${node.seq}: ${node.status === "interrupted" ? STATUS.interrupted.hint : node.status}`}
      >
        <Ports />
        <StatusIcon status={status} size={12} />
        <span className="node-name">
          {cell ? <span className="muted">{node.seq} </span> : null}
          {data.alike ? null : node.label}
        </span>
        {cell ? (
          <span className="node-time">
            <Took node={node} />
          </span>
        ) : null}
      </div>
    );
  }
  return (
    <div
      className="node node-step"
      data-status={status}
      data-kind={node.kind}
      data-parked={parked || undefined}
      data-undo={node.compensates !== undefined || undefined}
      data-selected={selected || undefined}
    >
      <Ports />
      <span className="node-kind" title={node.kind ? KIND_LABEL[node.kind] : ""}>
        {node.kind ? <KindIcon kind={node.kind} /> : null}
      </span>
      <span className="node-text">
        <span className="node-name" title={node.label}>
          {stepLabel(node.label, node.compensates)}
        </span>
        <span className="node-meta">
          {node.compensates !== undefined ? (
            <span>undoes step {node.compensates}</span>
          ) : status === "interrupted" ? (
            <span title={STATUS.interrupted.hint}>may have had its effect</span>
          ) : node.workerGroup ? (
            <span className="clip">{node.workerGroup}</span>
          ) : node.waitsOn ? (
            <span>{node.waitsOn}</span>
          ) : (
            <span>{node.kind}</span>
          )}
          <span className="node-time">
            <Took node={node} />
          </span>
        </span>
      </span>
      <StatusIcon status={parked && status === "running" ? "suspended" : status} />
      <ChildToggle data={data} />
      <Foot node={node} />
    </div>
  );
});

const ORDER = ["failed", "dead", "interrupted", "running", "pending", "cancelled", "completed"] as const;

const StackNode = memo(function StackNode({ data }: NodeProps<FlowNode>) {
  const { node } = data;
  const count = node.count ?? 0;
  return (
    <div className={node.expanded ? "node-frame" : "node node-group"} data-status={knownStatus(node.status)}>
      <Ports />
      <div className="group-head">
        {node.kind ? <KindIcon kind={node.kind} /> : null}
        <span className="node-name" title={node.label}>
          {node.label}
        </span>
        <span className="group-count">×{(node.turns ?? count).toLocaleString("en-US")}</span>
        <span className="group-toggle" aria-hidden="true">
          <Glyph name={node.expanded ? "minus" : "plus"} size={12} />
        </span>
      </div>
      {node.expanded ? null : (
        <>
          <div className="group-bar">
            {ORDER.map((status) => {
              const share = node.byStatus?.[status] ?? 0;
              return share > 0 ? (
                <span key={status} data-status={status} style={{ width: `${(share / Math.max(1, count)) * 100}%` }} />
              ) : null;
            })}
          </div>
          <div className="node-meta">
            {ORDER.map((status) => {
              const share = node.byStatus?.[status] ?? 0;
              return share > 0 ? (
                <span key={status} className="group-part">
                  <StatusIcon status={status} size={12} />
                  {share.toLocaleString("en-US")}
                </span>
              ) : null;
            })}
          </div>
        </>
      )}
    </div>
  );
});

const StartNode = memo(function StartNode({ data }: NodeProps<FlowNode>) {
  return (
    <div className="node-end" title={data.node.label}>
      <Handle type="source" position={Position.Right} isConnectable={false} />
      <Glyph name="play" />
      <span className="node-caption">{data.node.attempt === undefined ? "start" : data.node.label}</span>
    </div>
  );
});

const EndNode = memo(function EndNode({ data }: NodeProps<FlowNode>) {
  const status = knownStatus(data.node.status);
  return (
    <div className="node-end" data-status={status}>
      <Ports />
      <StatusIcon status={status} size={20} />
      <span className="node-caption">{data.node.label}</span>
    </div>
  );
});

const JoinNode = memo(function JoinNode() {
  return (
    <div className="node-join">
      <Ports />
    </div>
  );
});

export const nodeTypes = { step: StepNode, stack: StackNode, start: StartNode, end: EndNode, join: JoinNode };
