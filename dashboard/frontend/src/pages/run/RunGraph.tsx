import {
  Background,
  BackgroundVariant,
  Controls,
  MiniMap,
  type NodeMouseHandler,
  Panel,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from "@xyflow/react";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { graphQuery } from "../../api/queries";
import type { GraphNode, RunDetail } from "../../api/wire";
import { Button } from "../../ui/Button";
import { Empty, Failure, Skeleton } from "../../ui/Notice";
import { EarlierStep } from "./EarlierStep";
import { type FlowNode, nodeTypes } from "./GraphNodes";
import {
  compactView,
  EDGE_PX,
  isStep,
  laneId,
  MARGIN_PX,
  READABLE_ZOOM,
  toEdges,
  toNode,
  withoutEarlier,
} from "./graphView";
import type { OpenChildren } from "./useLanes";
import "./graph.css";

interface Props {
  /** In few pixels, beside the timeline. */
  compact?: boolean;
  runId: string;
  active: boolean;
  stranded: boolean;
  selected: number | null;
  /** The opened child that the selected step belongs to; null: the run itself. */
  of: string | null;
  opened: OpenChildren;
  onSelect: (seq: number | null, of?: string) => void;
  attempts: RunDetail["attempts"];
}

const MIN_ZOOM = 0.05;
const MINIMAP_FROM = 10;
const FRAME_ZOOM = 0.7;

const MINI_COLOR: Record<string, string> = {
  failed: "var(--failed)",
  dead: "var(--dead)",
  running: "var(--running)",
  completed: "var(--completed)",
  pending: "var(--pending)",
  suspended: "var(--suspended)",
  cancelling: "var(--cancelling)",
  cancelled: "var(--cancelled)",
  blocked: "var(--blocked)",
};

/** The run from start to end. The server placed the nodes; this draws them. */
export function RunGraph(props: Props) {
  return (
    <ReactFlowProvider>
      <Canvas {...props} />
    </ReactFlowProvider>
  );
}

function Canvas({ runId, active, stranded, selected, of, opened, onSelect, attempts, compact = false }: Props) {
  const [expand, setExpand] = useState<readonly string[]>([]);
  const { ids: children, toggle: toggleChild } = opened;
  const query = useQuery({ ...graphQuery(runId, expand, children), refetchInterval: active ? 4000 : false });
  const flow = useReactFlow();
  const [earlier, setEarlier] = useState(!compact);
  const [past, setPast] = useState<GraphNode | null>(null);
  const whole = query.data;
  const hasEarlier = whole?.nodes.some((node) => node.attempt !== undefined) ?? false;
  const graph = useMemo(() => (whole && !earlier ? withoutEarlier(whole) : whole), [whole, earlier]);

  const unfolded = useRef<string | null>(null);
  const toggle = useCallback((id: string) => {
    setExpand((old) => {
      if (old.includes(id)) return old.filter((entry) => entry !== id);
      unfolded.current = id;
      return [...old, id];
    });
  }, []);
  const nodes = useMemo(() => {
    const groups = new Map(graph?.nodes.filter((node) => node.type === "group").map((node) => [node.id, node.label]));
    return (
      graph?.nodes.map((node) => {
        const drawn = toNode(node, isStep(node, selected, of));
        const child = node.childRunId;
        const opens = child !== undefined && node.attempt === undefined && node.type === "step";
        if (node.type === "group") return { ...drawn, data: { node, onToggle: toggle } };
        return {
          ...drawn,
          data: {
            node,
            stranded: stranded && node.ofRun === undefined,
            alike: node.groupId !== undefined && groups.get(node.groupId) === node.label,
            ...(opens ? { opened: children.includes(child), onChild: toggleChild } : {}),
          },
        };
      }) ?? []
    );
  }, [graph, selected, of, stranded, toggle, children, toggleChild]);
  const edges = useMemo(() => (graph ? toEdges(graph) : []), [graph]);

  // First look: the whole run where it stays readable, else what matters now.
  const box = useRef<HTMLDivElement>(null);
  const placed = useRef(false);
  const [width, setWidth] = useState(0);
  const isThere = graph !== undefined && graph.nodes.length > 0;
  useLayoutEffect(() => {
    if (isThere) setWidth(box.current?.clientWidth ?? 0);
  }, [isThere]);
  const fitted = compact && graph && width > 0 ? compactView(graph, width) : null;
  const look = useCallback(() => {
    if (!graph || !box.current || placed.current) return;
    placed.current = true;
    const { clientWidth, clientHeight } = box.current;
    if (compact) {
      const { zoom, height } = compactView(graph, clientWidth);
      const all = graph.height * zoom + 2 * MARGIN_PX <= height;
      if (graph.width * zoom + 2 * EDGE_PX <= clientWidth && all) {
        void flow.setViewport({ x: EDGE_PX, y: MARGIN_PX, zoom });
        return;
      }
    }
    const zoom = Math.min((clientWidth - 72) / graph.width, (clientHeight - 72) / graph.height, 1);
    if (zoom >= READABLE_ZOOM) {
      void flow.setViewport({
        x: (clientWidth - graph.width * zoom) / 2,
        y: (clientHeight - graph.height * zoom) / 2,
        zoom,
      });
      return;
    }
    const focus =
      graph.nodes.find((node) => isStep(node, selected, of)) ??
      graph.nodes.find((node) => node.attempt === undefined && node.status === "failed" && node.type !== "end") ??
      graph.nodes.find((node) => node.status === "running" && node.type !== "end");
    // Beside the timeline the height was chosen for this zoom: a larger one would cut lanes.
    const beside = compact ? compactView(graph, clientWidth) : null;
    const close = beside?.zoom ?? Math.max(READABLE_ZOOM, Math.min(0.85, (clientHeight - 64) / graph.height));
    const middle = ((beside?.height ?? clientHeight) - graph.height * close) / 2;
    if (!focus) {
      void flow.setViewport({ x: EDGE_PX, y: middle, zoom: close });
      return;
    }
    // Around what matters, with no empty space beyond the run's ends.
    const x = clientWidth / 2 - (focus.x + focus.width / 2) * close;
    const leftmost = Math.min(EDGE_PX, clientWidth - EDGE_PX - graph.width * close);
    const y = middle >= 0 ? middle : clientHeight / 2 - (focus.y + focus.height / 2) * close;
    void flow.setViewport({ x: Math.min(EDGE_PX, Math.max(leftmost, x)), y, zoom: close });
  }, [graph, flow, selected, of, compact]);
  useEffect(() => {
    look();
  }, [look]);

  // A child that was just opened comes into view.
  const known = useRef(children);
  useEffect(() => {
    const start = graph?.nodes.find(({ id }) => children.some((c) => !known.current.includes(c) && id === laneId(c)));
    if (!start || !box.current) return;
    known.current = children;
    const { x, y, zoom } = flow.getViewport();
    const [left, top] = [start.x * zoom + x, start.y * zoom + y];
    if (left >= 0 && left < box.current.clientWidth && top >= 0 && top + start.height * zoom < box.current.clientHeight)
      return;
    void flow.setViewport(
      { x: x - left + EDGE_PX, y: y - top + box.current.clientHeight / 2, zoom },
      { duration: 200 },
    );
  }, [graph, flow, children]);

  // A group that was just unfolded comes into view, its first steps legible.
  useEffect(() => {
    const frame = graph?.nodes.find((node) => node.id === unfolded.current && node.expanded);
    if (!frame || !box.current) return;
    unfolded.current = null;
    const { clientWidth, clientHeight } = box.current;
    const zoom = Math.min(
      1,
      Math.max(FRAME_ZOOM, Math.min((clientWidth - 48) / frame.width, (clientHeight - 48) / frame.height)),
    );
    const x = frame.width * zoom < clientWidth - 48 ? (clientWidth - frame.width * zoom) / 2 : 24;
    const y = frame.height * zoom < clientHeight - 48 ? (clientHeight - frame.height * zoom) / 2 : 24;
    void flow.setViewport({ x: x - frame.x * zoom, y: y - frame.y * zoom, zoom }, { duration: 200 });
  }, [graph, flow]);

  useEffect(() => {
    if (selected === null || !placed.current) return;
    const node = graph?.nodes.find((entry) => isStep(entry, selected, of));
    if (!node || !box.current) return;
    const { x, y, zoom } = flow.getViewport();
    const left = node.x * zoom + x;
    const top = node.y * zoom + y;
    const out =
      left < 0 ||
      top < 0 ||
      left + node.width * zoom > box.current.clientWidth ||
      top + node.height * zoom > box.current.clientHeight;
    if (out) void flow.setCenter(node.x + node.width / 2, node.y + node.height / 2, { zoom, duration: 200 });
    // Only a new selection moves the view, never a poll.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selected, of, flow]);

  const click: NodeMouseHandler<FlowNode> = useCallback(
    (_, node) => {
      const { node: data } = node.data;
      if (data.type === "group") toggle(data.id);
      else if (data.attempt !== undefined) setPast(data.seq === undefined ? null : data);
      else if (data.seq !== undefined) onSelect(isStep(data, selected, of) ? null : data.seq, data.ofRun);
    },
    [onSelect, selected, of, toggle],
  );

  if (query.isPending)
    return (
      <div className="pad">
        <Skeleton rows={4} kind="block" />
      </div>
    );
  if (query.isError && !graph)
    return <Failure what="The graph" error={query.error} onRetry={() => void query.refetch()} />;
  if (!graph || graph.nodes.length === 0)
    return (
      <Empty title="Nothing to draw yet" icon="play">
        Steps appear here as the workflow reaches them.
      </Empty>
    );
  return (
    <div
      className="graph"
      ref={box}
      data-testid="graph"
      data-compact={compact || undefined}
      style={fitted ? { height: `${fitted.height}px` } : undefined}
    >
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        onNodeClick={click}
        onPaneClick={() => {
          onSelect(null);
          setPast(null);
        }}
        onKeyDown={(event) => {
          if ((event.key !== "Enter" && event.key !== " ") || event.target instanceof HTMLButtonElement) return;
          const id =
            event.target instanceof HTMLElement
              ? event.target.closest<HTMLElement>(".react-flow__node")?.dataset.id
              : undefined;
          const node = graph.nodes.find((entry) => entry.id === id);
          if (!node) return;
          event.preventDefault();
          if (node.type === "group") toggle(node.id);
          else if (node.attempt !== undefined) setPast(node.seq === undefined ? null : node);
          else if (node.seq !== undefined) onSelect(node.seq, node.ofRun);
        }}
        minZoom={MIN_ZOOM}
        maxZoom={2}
        onlyRenderVisibleElements
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        elevateNodesOnSelect={false}
        deleteKeyCode={null}
        selectionKeyCode={null}
        multiSelectionKeyCode={null}
        panOnScroll
        zoomOnDoubleClick={false}
        proOptions={{ hideAttribution: true }}
        onInit={look}
        disableKeyboardA11y
      >
        <Background variant={BackgroundVariant.Dots} gap={20} size={1.4} />
        <Controls
          showInteractive={false}
          position={compact ? "bottom-right" : "bottom-left"}
          orientation="horizontal"
        />
        {expand.length > 0 || hasEarlier ? (
          <Panel position="top-right" className="graph-tools">
            {hasEarlier ? (
              <Button
                aria-pressed={earlier}
                onClick={() => {
                  placed.current = false;
                  setPast(null);
                  setEarlier(!earlier);
                }}
              >
                {earlier ? "Hide earlier attempts" : "Show earlier attempts"}
              </Button>
            ) : null}
            {expand.length > 0 ? (
              <Button
                onClick={() => {
                  placed.current = false;
                  setExpand([]);
                }}
              >
                Fold groups
              </Button>
            ) : null}
          </Panel>
        ) : null}
        {past ? (
          <Panel position="top-left">
            <EarlierStep node={past} attempts={attempts} onClose={() => setPast(null)} />
          </Panel>
        ) : null}
        {graph.nodes.length >= MINIMAP_FROM && !compact ? (
          <MiniMap
            pannable
            zoomable
            position="bottom-right"
            ariaLabel="Map of the graph"
            nodeBorderRadius={4}
            nodeStrokeWidth={0}
            nodeColor={(node) =>
              (node as FlowNode).data.node.expanded
                ? "transparent"
                : (MINI_COLOR[(node as FlowNode).data.node.status] ?? "var(--pending)")
            }
          />
        ) : null}
      </ReactFlow>
    </div>
  );
}
