import { useQuery } from "@tanstack/react-query";
import { type RefObject, useEffect, useRef, useState } from "react";
import { topologyQuery } from "../../api/queries";
import { RUN_STATUSES, type Topology } from "../../api/wire";
import { STATUS } from "../../lib/status";
import { formatCount } from "../../lib/time";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Empty, Skeleton } from "../../ui/Notice";
import { AsOf, QueryView } from "../../ui/QueryView";
import { Glyph, StatusIcon } from "../../ui/icons";
import { NARROW, useMedia } from "../../ui/media";
import "../workers/workers.css";
import "./topology.css";

type TopologyNode = Topology["nodes"][number];
type TopologyEdge = Topology["edges"][number];
/** How far below a card's top its lines begin and end. */
const PORT_PX = 20;
const COLUMNS = ["workflow", "queue", "executor"] as const;
const TITLE: Record<TopologyNode["type"], string> = { workflow: "Workflows", queue: "Queues", executor: "Workers" };

/** Which workflows start which, through which queues, on which workers. */
export function TopologyPage() {
  const query = useQuery({ ...topologyQuery, refetchInterval: 15_000 });
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Topology</h1>
        <p className="muted">
          Which workflows start which, through which queues, on which workers
          {query.data ? `; from the latest ${formatCount(query.data.sampledRuns)} runs` : ""}.
        </p>
      </header>
      <QueryView
        query={query}
        what="The topology"
        pending={<Skeleton rows={8} />}
        empty={{
          when: ({ nodes }) => nodes.length === 0,
          show: (
            <Empty title="No runs to draw from yet" icon="play">
              It shows once workflows have run.
            </Empty>
          ),
        }}
      >
        {(topology) => <TopologyMap topology={topology} />}
      </QueryView>
      <AsOf at={query.dataUpdatedAt} />
    </div>
  );
}

function TopologyMap({ topology }: { topology: Topology }) {
  const root = useRef<HTMLDivElement>(null);
  const narrow = useMedia(NARROW);
  const [hot, setHot] = useState<string | null>(null);
  const byId = new Map(topology.nodes.map((node) => [node.id, node]));
  return (
    <div className="topology" ref={root}>
      {narrow ? null : <Lines root={root} edges={topology.edges} hot={hot} />}
      {COLUMNS.map((type) => {
        const nodes = topology.nodes.filter((node) => node.type === type);
        return (
          <section key={type} aria-label={TITLE[type]}>
            <h2 className="section-title">{TITLE[type]}</h2>
            {nodes.length === 0 ? <p className="muted">None seen.</p> : null}
            {nodes.map((node) => {
              const starts = topology.edges.filter(
                (edge) => edge.source === node.id && (narrow || byId.get(edge.target)?.type === node.type),
              );
              return <NodeCard key={node.id} node={node} starts={starts} byId={byId} onHot={setHot} />;
            })}
          </section>
        );
      })}
    </div>
  );
}

interface Line {
  edge: TopologyEdge;
  path: string;
  width: number;
  /** Passes a column by: drawn fainter, for it runs behind its cards. */
  far: boolean;
}

function place(box: HTMLElement, edges: TopologyEdge[]): Line[] {
  const origin = box.getBoundingClientRect();
  const most = Math.max(1, ...edges.map((edge) => edge.count));
  const lines: Line[] = [];
  for (const edge of edges) {
    const from = box.querySelector(`[data-node="${CSS.escape(edge.source)}"]`)?.getBoundingClientRect();
    const to = box.querySelector(`[data-node="${CSS.escape(edge.target)}"]`)?.getBoundingClientRect();
    if (!from || !to || to.left <= from.right) continue;
    const [x1, y1, x2, y2] = [
      from.right - origin.left,
      from.top + PORT_PX - origin.top,
      to.left - origin.left,
      to.top + PORT_PX - origin.top,
    ];
    const bend = Math.min(90, (x2 - x1) / 2);
    lines.push({
      edge,
      path: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
      width: 1 + 3 * Math.sqrt(edge.count / most),
      far: x2 - x1 > origin.width / 4,
    });
  }
  return lines;
}

/** Edges between columns, drawn from where the cards are; again whenever they move. */
function Lines({
  root,
  edges,
  hot,
}: {
  root: RefObject<HTMLDivElement | null>;
  edges: TopologyEdge[];
  hot: string | null;
}) {
  const [lines, setLines] = useState<Line[]>([]);
  useEffect(() => {
    const box = root.current;
    if (!box) return;
    const observer = new ResizeObserver(() => setLines(place(box, edges)));
    observer.observe(box);
    return () => observer.disconnect();
  }, [root, edges]);
  return (
    <svg className="topo-lines" aria-hidden="true">
      {lines.map(({ edge, path, width, far }) => (
        <path
          key={`${edge.source}>${edge.target}`}
          d={path}
          strokeWidth={width}
          data-hot={hot === edge.source || hot === edge.target || undefined}
          data-far={far || undefined}
        />
      ))}
    </svg>
  );
}

interface CardProps {
  node: TopologyNode;
  starts: TopologyEdge[];
  byId: Map<string, TopologyNode>;
  onHot: (id: string | null) => void;
}

function NodeCard({ node, starts, byId, onHot }: CardProps) {
  const counts = RUN_STATUSES.filter((status) => (node.counts[status] ?? 0) > 0);
  return (
    <article
      className="card topo-card"
      data-node={node.id}
      onMouseEnter={() => onHot(node.id)}
      onMouseLeave={() => onHot(null)}
    >
      <header className="topo-head">
        <h3>
          <Link
            to={links.runs({ [node.type]: node.label })}
            title={node.label}
            onFocus={() => onHot(node.id)}
            onBlur={() => onHot(null)}
          >
            {node.label}
          </Link>
        </h3>
        <div className="topo-counts">
          {counts.map((status) => (
            <span key={status} title={STATUS[status].label} className="count-pill">
              <StatusIcon status={status} size={12} />
              {formatCount(node.counts[status] ?? 0)}
            </span>
          ))}
        </div>
      </header>
      {starts.length > 0 ? (
        <ul className="plain topo-edges">
          {starts.map((edge) => (
            <li key={edge.target}>
              <Glyph name="send" size={12} />
              <span className="clip">
                {byId.get(edge.target)?.type === "workflow" ? "starts " : ""}
                {byId.get(edge.target)?.label ?? edge.target}
              </span>
              <span className="muted num">{formatCount(edge.count)}</span>
            </li>
          ))}
        </ul>
      ) : null}
    </article>
  );
}
