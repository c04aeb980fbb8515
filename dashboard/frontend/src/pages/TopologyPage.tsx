import { useQuery } from "@tanstack/react-query";
import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import { topologyQuery } from "../api/queries";
import { RUN_STATUSES, type Topology } from "../api/wire";
import { STATUS_LABEL } from "../lib/status";
import { formatCount } from "../lib/time";
import { Link } from "../router";
import { Empty, Failure, Skeleton } from "../ui/basics";
import { Glyph, StatusIcon } from "../ui/icons";
import { NARROW, useMedia } from "../ui/media";
import "../styles/pages.css";

type TopologyNode = Topology["nodes"][number];
type TopologyEdge = Topology["edges"][number];
const COLUMNS = ["workflow", "queue", "executor"] as const;
const TITLE: Record<TopologyNode["type"], string> = { workflow: "Workflows", queue: "Queues", executor: "Workers" };

/** Which workflows start which, through which queues, on which workers. */
export function TopologyPage() {
  const query = useQuery({ ...topologyQuery, refetchInterval: 15_000 });
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Topology</h1>
        <p className="muted">Which workflows start which, through which queues, on which workers{query.data ? `; from the latest ${formatCount(query.data.sampledRuns)} runs` : ""}.</p>
      </header>
      {query.isPending ? <Skeleton rows={8} /> : null}
      {query.isError && !query.data ? <Failure what="The topology" error={query.error} onRetry={() => void query.refetch()} /> : null}
      {query.data?.nodes.length === 0 ? <Empty title="No runs to draw from yet" icon="play">It shows once workflows have run.</Empty> : null}
      {query.data && query.data.nodes.length > 0 ? <TopologyMap topology={query.data} /> : null}
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
              const starts = topology.edges.filter((edge) => edge.source === node.id && (narrow || byId.get(edge.target)?.type === node.type));
              return <NodeCard key={node.id} node={node} starts={starts} byId={byId} onHot={setHot} />;
            })}
          </section>
        );
      })}
    </div>
  );
}

interface Line {
  id: string;
  path: string;
  width: number;
  hot: boolean;
}

/** Edges between neighbouring columns, drawn from where the cards are. */
function Lines({ root, edges, hot }: { root: RefObject<HTMLDivElement | null>; edges: TopologyEdge[]; hot: string | null }) {
  const [lines, setLines] = useState<Line[]>([]);
  const [size, setSize] = useState(0);
  useEffect(() => {
    if (!root.current) return;
    const observer = new ResizeObserver(() => setSize((old) => old + 1));
    observer.observe(root.current);
    return () => observer.disconnect();
  }, [root]);
  useLayoutEffect(() => {
    const box = root.current?.getBoundingClientRect();
    if (!box) return;
    const most = Math.max(1, ...edges.map((edge) => edge.count));
    const found: Line[] = [];
    for (const edge of edges) {
      const from = root.current?.querySelector(`[data-node="${CSS.escape(edge.source)}"]`)?.getBoundingClientRect();
      const to = root.current?.querySelector(`[data-node="${CSS.escape(edge.target)}"]`)?.getBoundingClientRect();
      if (!from || !to || to.left <= from.right) continue;
      const [x1, y1, x2, y2] = [from.right - box.left, from.top + 20 - box.top, to.left - box.left, to.top + 20 - box.top];
      const bend = Math.min(90, (x2 - x1) / 2);
      found.push({
        id: `${edge.source}>${edge.target}`, path: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
        width: 1 + 3 * Math.sqrt(edge.count / most), hot: hot === edge.source || hot === edge.target,
      });
    }
    setLines(found);
  }, [root, edges, hot, size]);
  return (
    <svg className="topo-lines" aria-hidden="true">
      {lines.map((line) => <path key={line.id} d={line.path} strokeWidth={line.width} data-hot={line.hot || undefined} />)}
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
    <article className="card topo-card" data-node={node.id} onMouseEnter={() => onHot(node.id)} onMouseLeave={() => onHot(null)}>
      <header className="card-head"><h3 className="clip"><Link to={`/?${node.type}=${encodeURIComponent(node.label)}`} onFocus={() => onHot(node.id)} onBlur={() => onHot(null)}>{node.label}</Link></h3></header>
      <div className="card-body">
        <div className="topo-counts">
          {counts.map((status) => <span key={status} title={STATUS_LABEL[status]} className="count-pill"><StatusIcon status={status} size={12} />{formatCount(node.counts[status] ?? 0)}</span>)}
        </div>
        {starts.length > 0 ? (
          <ul className="plain topo-edges">
            {starts.map((edge) => (
              <li key={edge.target}><Glyph name="send" size={12} /><span className="clip">{byId.get(edge.target)?.type === "workflow" ? "starts " : ""}{byId.get(edge.target)?.label ?? edge.target}</span><span className="muted num">{formatCount(edge.count)}</span></li>
            ))}
          </ul>
        ) : null}
      </div>
    </article>
  );
}
