import { useQuery } from "@tanstack/react-query";
import { topologyQuery } from "../api/queries";
import { type RunStatus, RUN_STATUSES, type Topology } from "../api/wire";
import { STATUS_LABEL } from "../lib/status";
import { formatCount } from "../lib/time";
import { Link } from "../router";
import { Empty, Failure, Skeleton } from "../ui/basics";
import { Glyph, StatusIcon } from "../ui/icons";
import "../styles/pages.css";

type TopologyNode = Topology["nodes"][number];
const COLUMN: Record<TopologyNode["type"], string> = { workflow: "Workflows", queue: "Queues", executor: "Workers" };
const PARAM: Record<TopologyNode["type"], string> = { workflow: "workflow", queue: "queue", executor: "executor" };

/** Which workflows start which, through which queues, on which workers. */
export function TopologyPage() {
  const query = useQuery(topologyQuery);
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Topology</h1>
        <p className="muted">Which workflows start which, through which queues, on which workers{query.data ? `; from the latest ${formatCount(query.data.sampledRuns)} runs` : ""}.</p>
      </header>
      {query.isPending ? <Skeleton rows={8} /> : null}
      {query.isError && !query.data ? <Failure what="The topology" error={query.error} onRetry={() => void query.refetch()} /> : null}
      {query.data?.nodes.length === 0 ? <Empty title="No runs to draw from yet" icon="play">It shows once workflows have run.</Empty> : null}
      {query.data && query.data.nodes.length > 0 ? <Columns topology={query.data} /> : null}
    </div>
  );
}

function Columns({ topology }: { topology: Topology }) {
  const label = new Map(topology.nodes.map((node) => [node.id, node]));
  return (
    <div className="topology">
      {(["workflow", "queue", "executor"] as const).map((type) => {
        const nodes = topology.nodes.filter((node) => node.type === type);
        return (
          <section key={type} aria-label={COLUMN[type]}>
            <h2 className="section-title">{COLUMN[type]}</h2>
            {nodes.length === 0 ? <p className="muted">None seen.</p> : null}
            {nodes.map((node) => <NodeCard key={node.id} node={node} topology={topology} label={label} />)}
          </section>
        );
      })}
    </div>
  );
}

function NodeCard({ node, topology, label }: { node: TopologyNode; topology: Topology; label: Map<string, TopologyNode> }) {
  const out = topology.edges.filter((edge) => edge.source === node.id);
  const counts = RUN_STATUSES.filter((status) => (node.counts[status] ?? 0) > 0);
  return (
    <article className="card topo-card">
      <header className="card-head"><h3 className="clip"><Link to={`/?${PARAM[node.type]}=${encodeURIComponent(node.label)}`}>{node.label}</Link></h3></header>
      <div className="card-body">
        <div className="topo-counts">
          {counts.map((status: RunStatus) => <span key={status} title={STATUS_LABEL[status]} className="count-pill"><StatusIcon status={status} size={12} />{formatCount(node.counts[status] ?? 0)}</span>)}
        </div>
        {out.length > 0 ? (
          <ul className="plain topo-edges">
            {out.map((edge) => {
              const target = label.get(edge.target);
              return <li key={edge.target}><Glyph name="send" size={12} /><span className="clip">{target?.label ?? edge.target}</span><span className="muted num">{formatCount(edge.count)}</span></li>;
            })}
          </ul>
        ) : null}
      </div>
    </article>
  );
}
