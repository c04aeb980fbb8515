/** The server's graph as the library draws it, and how it is shown at first. Pure. */
import type { Edge, Node } from "@xyflow/react";
import type { Graph, GraphNode } from "../../api/wire";
import type { FlowNode } from "./GraphNodes";

export const READABLE_ZOOM = 0.68;
export const EDGE_PX = 32;
/** Beside the timeline the graph takes the height that it needs, up to so much. */
const MOST_COMPACT_PX = 460;
export const MARGIN_PX = 24;

/** How the graph is shown beside the timeline: as large as fits, from the left, all lanes in sight where they can be. */
export function compactView(graph: Pick<Graph, "width" | "height">, width: number): { zoom: number; height: number } {
  const fits = Math.min((width - 2 * EDGE_PX) / graph.width, (MOST_COMPACT_PX - 2 * MARGIN_PX) / graph.height, 1);
  const zoom = Math.max(READABLE_ZOOM, fits);
  return { zoom, height: Math.round(Math.min(MOST_COMPACT_PX, graph.height * zoom + 2 * MARGIN_PX)) };
}

/** Whether a node is this step of this run (null: of the run itself). */
export function isStep(node: GraphNode, seq: number | null, of: string | null): boolean {
  return seq !== null && node.seq === seq && node.attempt === undefined && (node.ofRun ?? null) === of;
}

/** Where an opened child's lane begins. */
export const laneId = (child: string): string => `child:${child}/start`;

/** A box as the library draws it: its place and size are the server's, so nothing is measured. */
export function toNode(node: GraphNode, selected: boolean): FlowNode {
  const middle = node.height / 2;
  return {
    id: node.id,
    type: node.type === "group" ? "stack" : node.type,
    position: { x: node.x, y: node.y },
    data: { node },
    width: node.width,
    height: node.height,
    measured: { width: node.width, height: node.height },
    handles: [
      { type: "target", position: "left" as Node["targetPosition"] & string, x: 0, y: middle, width: 1, height: 1 },
      {
        type: "source",
        position: "right" as Node["sourcePosition"] & string,
        x: node.width,
        y: middle,
        width: 1,
        height: 1,
      },
    ] as FlowNode["handles"],
    ...(node.attempt === undefined ? {} : { className: "of-earlier" }),
    ...(node.ofRun === undefined ? {} : { className: "of-child" }),
    selected,
    draggable: false,
    connectable: false,
    focusable: node.type === "step" || node.type === "group",
    zIndex: node.groupId ? 2 : node.expanded ? 0 : 1,
    ariaLabel: [node.label, node.status, node.count ? `${node.count} steps` : ""].filter(Boolean).join(", "),
  };
}

/** The lines between boxes; those into a running one move. */
export function toEdges(graph: Graph): Edge[] {
  const status = new Map(graph.nodes.map((node) => [node.id, node.status]));
  return graph.edges.map((edge) => ({
    id: edge.id,
    source: edge.source,
    target: edge.target,
    className: `edge-${edge.kind}`,
    focusable: false,
    animated: false,
    data: { live: status.get(edge.target) === "running" },
  }));
}

/** The graph without the lanes of earlier attempts, as large as what is left. */
export function withoutEarlier(graph: Graph): Graph {
  const nodes = graph.nodes.filter((node) => node.attempt === undefined);
  const kept = new Set(nodes.map((node) => node.id));
  return {
    ...graph,
    nodes,
    edges: graph.edges.filter((edge) => kept.has(edge.source) && kept.has(edge.target)),
    width: Math.max(0, ...nodes.map((node) => node.x + node.width)),
    height: Math.max(0, ...nodes.map((node) => node.y + node.height)),
  };
}
