import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { ApiError } from "../../lib/errors";
import type { RunDetail, Step } from "../../api/wire";
import { config } from "../../config";
import { allowedActions, shortId, STATUS_LABEL } from "../../lib/status";
import { orderSteps } from "./bars";
import { leaveToList, Link, setParams, useLocation } from "../../shell/router";
import { useKeys } from "../../shell/keys";
import { Empty, Failure, Skeleton } from "../../ui/Notice";
import { Tabs } from "../../ui/Tabs";
import { NARROW, useMedia } from "../../ui/media";
import { type Ask, RunDialogs } from "./RunDialogs";
import { RunHeader } from "./RunHeader";
import { RunState } from "./RunState";
import { StepPanel } from "./StepPanel";
import { AuditTab, PayloadsTab, PublishedTab } from "./tabs";
import { Timeline } from "./Timeline";
import { useLiveRun } from "../../live/useLiveRun";
import "./run.css";
import "./run.css";

const RunGraph = lazy(() => import("./RunGraph").then((module) => ({ default: module.RunGraph })));

const VIEWS = ["overview", "graph", "timeline", "payloads", "published", "audit"] as const;
type View = (typeof VIEWS)[number];

function isView(value: string | null): value is View {
  return VIEWS.some((view) => view === value);
}

/** One run: what it is, what it does, why it failed, and what can be done about it. */
export function RunPage({ id }: { id: string }) {
  const query = useLiveRun(id);
  if (query.data) return <Loaded detail={query.data} />;
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

function Loaded({ detail }: { detail: RunDetail }) {
  const { run, timeline } = detail;
  const { search } = useLocation();
  const params = useMemo(() => new URLSearchParams(search), [search]);
  const narrow = useMedia(NARROW);
  const wanted = params.get("view");
  const view: View = isView(wanted) ? wanted : narrow ? "timeline" : "overview";
  const stepText = params.get("step");
  const seq = stepText !== null && /^-?\d+$/.test(stepText) ? Number(stepText) : null;
  const [ask, setAsk] = useState<Ask | null>(null);
  const ordered = useMemo(() => orderSteps(timeline, true), [timeline]);
  const allowed = allowedActions(run, timeline.length > 0);
  const viewer = config.role === "viewer";

  useEffect(() => {
    document.title = `${STATUS_LABEL[run.status]} · ${run.workflow} · ${shortId(run.id)}`;
  }, [run.status, run.workflow, run.id]);

  const select = (next: number | null): void => setParams({ step: next === null ? null : String(next) });
  const show = (next: View): void => setParams({ view: next });
  const move = (by: number): void => {
    const visible = ordered.filter((step) => !step.housekeeping);
    const at = visible.findIndex((step) => step.seq === seq);
    const next =
      visible[Math.min(visible.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : visible.length - 1) : at + by))];
    if (next) select(next.seq);
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ...Object.fromEntries(VIEWS.map((name, index) => [String(index + 1), () => show(name)])),
    r: () => {
      if (!allowed.retry || viewer) return false;
      setAsk({ kind: "retry" });
      return true;
    },
    Escape: () => {
      if (seq !== null) select(null);
      else leaveToList();
    },
  });

  const step: Step | undefined = seq === null ? undefined : timeline.find((entry) => entry.seq === seq);
  const stepCount = timeline.filter((entry) => !entry.housekeeping).length;
  return (
    <div className="page run-page">
      <RunHeader detail={detail} allowed={allowed} onAsk={setAsk} />
      <RunState detail={detail} allowed={allowed} onStep={select} />
      <div className="run-tabs">
        <Tabs
          label="Views of the run"
          active={view}
          onSelect={show}
          tabs={[
            { id: "overview", label: "Overview" },
            { id: "graph", label: "Graph" },
            { id: "timeline", label: "Timeline", count: stepCount.toLocaleString("en-US") },
            { id: "payloads", label: "Payloads" },
            { id: "published", label: "Published" },
            { id: "audit", label: "Audit" },
          ]}
        />
      </div>
      <div className="run-body" data-panel={seq !== null || undefined}>
        <section className="run-view" role="tabpanel" aria-label={view}>
          {view === "graph" || view === "overview" ? (
            <Suspense
              fallback={
                <div className="pad">
                  <Skeleton rows={4} kind="block" />
                </div>
              }
            >
              <RunGraph
                key={view}
                compact={view === "overview"}
                runId={run.id}
                active={run.finishedAt === undefined}
                stranded={run.status === "blocked"}
                selected={seq}
                onSelect={select}
              />
            </Suspense>
          ) : null}
          {view === "timeline" || view === "overview" ? (
            <Timeline detail={detail} selected={seq} onSelect={select} />
          ) : null}
          {view === "payloads" ? <PayloadsTab run={run} /> : null}
          {view === "published" ? <PublishedTab runId={run.id} /> : null}
          {view === "audit" ? <AuditTab runId={run.id} /> : null}
        </section>
        {seq !== null ? (
          <StepPanel
            key={seq}
            run={run}
            seq={seq}
            brief={step}
            canFork={allowed.fork}
            onAsk={setAsk}
            onClose={() => select(null)}
          />
        ) : null}
      </div>
      {ask ? <RunDialogs ask={ask} detail={detail} onClose={() => setAsk(null)} /> : null}
    </div>
  );
}
