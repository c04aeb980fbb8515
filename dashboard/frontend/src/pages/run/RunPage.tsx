import { Suspense, useEffect, useMemo } from "react";
import type { RunDetail, Step } from "../../api/wire";
import { ApiError } from "../../lib/errors";
import { shortId, STATUS } from "../../lib/status";
import { nextTo } from "../../live/listed";
import { useLiveRun } from "../../live/useLiveRun";
import { offers } from "../../shell/access";
import { Boundary } from "../../shell/Boundary";
import { type Command, useCommands } from "../../shell/commands";
import { openOverlay } from "../../shell/overlay";
import { lazyPart } from "../../shell/lazyPart";
import { links } from "../../shell/links";
import { leaveToList, Link, navigate, useSearch } from "../../shell/router";
import { NARROW, useMedia, WIDE } from "../../ui/media";
import { Empty, Failure, Skeleton } from "../../ui/Notice";
import { Stale } from "../../ui/QueryView";
import { Tabs } from "../../ui/Tabs";
import { isLine, orderSteps } from "./bars";
import { runCommands } from "./commands";
import { ForkDialog } from "./dialogs/NewRunDialogs";
import { countSteps } from "./folds";
import { RunFacts } from "./RunFacts";
import { RunHeader } from "./RunHeader";
import { RunState } from "./RunState";
import { runSearch, type View, VIEWS } from "./search";
import { ChildStepPanel, StepPanel } from "./StepPanel";
import { StreamsTab } from "./StreamsTab";
import { AuditTab, PayloadsTab, PublishedTab } from "./tabs";
import { Timeline } from "./Timeline";
import { ModelUsage } from "./ModelUsage";
import { type OpenChildren, useLanes } from "./useLanes";
import { WhereTime } from "./WhereTime";
import "./run.css";

const runGraph = lazyPart(
  () => import("./RunGraph"),
  (module) => module.RunGraph,
);

/** One run: what it is, what it does, why it failed, and what can be done about it. */
export function RunPage({ id }: { id: string }) {
  const query = useLiveRun(id);
  if (query.data) {
    return <Loaded detail={query.data} stale={query.error ? { at: query.dataUpdatedAt, error: query.error } : null} />;
  }
  if (query.isError) {
    if (query.error instanceof ApiError && query.error.status === 404) {
      return (
        <div className="page">
          <Empty title="No such run" icon="search" whole>
            <p>{query.error.detail}</p>
            <Link to="/" className="btn">
              All runs
            </Link>
          </Empty>
        </div>
      );
    }
    return (
      <div className="page">
        <Failure what="The run" error={query.error} onRetry={() => void query.refetch()} />
      </div>
    );
  }
  return (
    <div className="page run-page">
      <div className="run-head">
        <Skeleton rows={3} />
      </div>
      <Skeleton rows={8} />
    </div>
  );
}

/** The step next to the selected one, in the order in which the timeline shows them. */
function neighbour(steps: Step[], seq: number | null, by: number): Step | undefined {
  const at = steps.findIndex((step) => step.seq === seq);
  const start = by > 0 ? 0 : steps.length - 1;
  return steps[at < 0 ? start : Math.min(steps.length - 1, Math.max(0, at + by))];
}

/** Through the runs of the list that one came from; Back leads to it all the same. */
const BESIDE = [
  { key: "[", by: -1, label: "The run above in the list" },
  { key: "]", by: 1, label: "The run below in the list" },
] as const;

const VIEW_LABEL: Record<View, string> = {
  overview: "Overview",
  graph: "Graph",
  timeline: "Timeline",
  payloads: "Payloads",
  published: "Published",
  streams: "Streams",
  audit: "Audit",
};

interface LoadedProps {
  detail: RunDetail;
  stale: { at: number; error: Error } | null;
}

function Loaded({ detail, stale }: LoadedProps) {
  const { run, timeline } = detail;
  const [{ view: wanted, step: seq, of }, setSearch] = useSearch(runSearch);
  const opened = useLanes();
  const narrow = useMedia(NARROW);
  const wide = useMedia(WIDE);
  const view: View = wanted ?? (narrow ? "timeline" : "overview");
  const steps = useMemo(() => orderSteps(timeline, true).filter((step) => !step.housekeeping), [timeline]);
  const commands = runCommands(detail);

  useEffect(() => {
    document.title = `${STATUS[run.status].label} · ${run.workflow} · ${shortId(run.id)}`;
  }, [run.status, run.workflow, run.id]);

  const select = (next: number | null, child?: string): void => setSearch({ step: next, of: child ?? null });
  const move = (by: number): boolean => {
    const next = neighbour(steps, of === null ? seq : null, by);
    if (next) select(next.seq);
    return next !== undefined;
  };
  const leave = (): void => {
    if (seq !== null) select(null);
    else leaveToList();
  };
  const moves: Command[] = [
    { id: "run.next", label: "Next step", keys: ["j"], keysOnly: true, run: () => move(1) },
    { id: "run.previous", label: "Previous step", keys: ["k"], keysOnly: true, run: () => move(-1) },
    ...BESIDE.map(({ key, by, label }) => ({
      id: `run.beside${by}`,
      label,
      keys: [key],
      keysOnly: true,
      run: () => {
        const other = nextTo(run.id, by);
        if (other !== null) navigate(links.run(other), { replace: true });
        return other !== null;
      },
    })),
    { id: "run.leave", label: "Close the step, then back to the list", keys: ["Escape"], keysOnly: true, run: leave },
    ...VIEWS.map((name, index) => ({
      id: `run.view.${name}`,
      label: `Show ${VIEW_LABEL[name].toLowerCase()}`,
      keys: [String(index + 1)],
      run: () => setSearch({ view: name }),
    })),
  ];
  useCommands("This run", [...commands.first, ...commands.more, ...moves]);

  const canFork = offers(run, "fork") && timeline.length > 0;
  const fork = (from: number): void => void openOverlay(<ForkDialog detail={detail} seq={from} />);
  const facts = (
    <details className="facts-fold">
      <summary>
        Details
        {narrow ? (
          <span className="muted">
            {" "}
            of <span className="mono">{run.id}</span>
          </span>
        ) : null}
      </summary>
      <RunFacts detail={detail} />
    </details>
  );
  return (
    <div className="page run-page">
      {stale ? <Stale at={stale.at} error={stale.error} /> : null}
      <RunHeader detail={detail} commands={commands} />
      {wide || narrow ? null : facts}
      <div className="run-body" data-panel={seq !== null || undefined}>
        <div className="run-main">
          <RunState detail={detail} onStep={select} />
          {narrow ? facts : null}
          <div className="run-tabs">
            <Tabs
              label="Views of the run"
              active={view}
              onSelect={(next) => setSearch({ view: next })}
              tabs={VIEWS.map((name) => ({
                id: name,
                label: VIEW_LABEL[name],
                ...(name === "timeline"
                  ? { count: countSteps(timeline, detail.folds ?? []).toLocaleString("en-US") }
                  : {}),
              }))}
            />
          </div>
          <section className="run-view" role="tabpanel" aria-label={VIEW_LABEL[view]}>
            <ViewOf view={view} detail={detail} selected={seq} of={of} opened={opened} onSelect={select} />
          </section>
        </div>
        {seq !== null && of !== null ? (
          <ChildStepPanel key={`${of} ${seq}`} id={of} seq={seq} onClose={() => select(null)} />
        ) : seq !== null ? (
          <StepPanel
            key={seq}
            run={run}
            seq={seq}
            brief={timeline.find((entry) => entry.seq === seq)}
            onFork={canFork ? fork : null}
            onClose={() => select(null)}
          />
        ) : wide ? (
          <aside className="run-facts" aria-label="Details">
            <RunFacts detail={detail} />
          </aside>
        ) : null}
      </div>
    </div>
  );
}

interface ViewProps {
  view: View;
  detail: RunDetail;
  selected: number | null;
  of: string | null;
  opened: OpenChildren;
  onSelect: (seq: number | null, of?: string) => void;
}

function ViewOf({ view, detail, selected, of, opened, onSelect }: ViewProps) {
  const { run } = detail;
  // A plain line of steps: the timeline says all that a graph would.
  const graph = view === "graph" || (view === "overview" && !isLine(detail.timeline));
  if (view === "payloads") return <PayloadsTab run={run} />;
  if (view === "published") return <PublishedTab runId={run.id} />;
  if (view === "streams") return <StreamsTab runId={run.id} />;
  if (view === "audit") return <AuditTab runId={run.id} />;
  return (
    <>
      {view === "graph" ? null : <WhereTime run={run} onStep={onSelect} />}
      {view === "graph" ? null : <ModelUsage run={run} />}
      {graph ? (
        <Boundary what="The graph">
          <Suspense
            fallback={
              <div className="pad">
                <Skeleton rows={4} kind="block" />
              </div>
            }
          >
            <runGraph.Part
              key={view}
              compact={view === "overview"}
              runId={run.id}
              active={run.finishedAt === undefined}
              stranded={run.status === "blocked"}
              selected={selected}
              of={of}
              opened={opened}
              onSelect={onSelect}
              attempts={detail.attempts}
            />
          </Suspense>
        </Boundary>
      ) : null}
      {view !== "graph" ? (
        <Timeline detail={detail} selected={selected} of={of} opened={opened} onSelect={onSelect} />
      ) : null}
    </>
  );
}
