import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { executorsQuery, healthQuery } from "../api/queries";
import type { LiveState } from "../live/stream";
import { config } from "../config";
import { Link, navigate, useLocation } from "./router";
import { RunListPage } from "../pages/runs/RunListPage";
import { IconButton } from "../ui/Button";
import { Empty, Notice, Skeleton } from "../ui/Notice";
import { Mark } from "../ui/icons";
import { Boundary } from "./Boundary";
import { Help } from "./Help";
import { useKeys } from "./keys";
import { useLive, useStreamProblem } from "../live/state";
import { useTheme } from "./theme";
import "./shell.css";

const RunPage = lazy(() => import("../pages/run/RunPage").then((module) => ({ default: module.RunPage })));
const WorkersPage = lazy(() =>
  import("../pages/workers/WorkersPage").then((module) => ({ default: module.WorkersPage })),
);
const SchedulesPage = lazy(() =>
  import("../pages/schedules/SchedulesPage").then((module) => ({ default: module.SchedulesPage })),
);
const AuditPage = lazy(() => import("../pages/audit/AuditPage").then((module) => ({ default: module.AuditPage })));
const TopologyPage = lazy(() =>
  import("../pages/topology/TopologyPage").then((module) => ({ default: module.TopologyPage })),
);

const NAV = [
  { to: "/", label: "Runs", key: "r" },
  { to: "/workers", label: "Workers", key: "w" },
  { to: "/schedules", label: "Schedules", key: "s" },
  { to: "/topology", label: "Topology", key: "t" },
  { to: "/audit", label: "Audit", key: "a" },
] as const;

const LIVE_TEXT: Record<LiveState, string> = {
  closed: "",
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  offline: "Offline",
};
const LIVE_HINT: Record<LiveState, string> = {
  closed: "",
  connecting: "Opening the live connection",
  live: "Changes appear as they happen",
  polling: "No live connection here (a proxy may block it): looking every 3 seconds",
  offline: "The server cannot be reached; reconnecting",
};

function LiveDot() {
  const live = useLive();
  if (live === "closed") return null;
  return (
    <span className="live" data-live={live} title={LIVE_HINT[live]} role="status">
      <span className="live-dot" aria-hidden="true" />
      {LIVE_TEXT[live]}
    </span>
  );
}

function ThemeButton() {
  const { theme, next } = useTheme();
  const icon = theme === "auto" ? "auto" : theme === "light" ? "sun" : "moon";
  return (
    <IconButton icon={icon} label={`Theme: ${theme === "auto" ? "as the system" : theme}. Change`} onClick={next} />
  );
}

/** Trouble that concerns every page: the store, lost workers. */
function HealthBanner() {
  const { data } = useQuery(healthQuery);
  const live = useLive();
  const problem = useStreamProblem();
  if (live === "offline") {
    return (
      <Notice tone="warn" title="Reconnecting">
        What you see may be out of date: the server does not answer. The page goes on by itself when it does.
      </Notice>
    );
  }
  if (problem)
    return (
      <Notice tone="bad" title="Nothing new can be known">
        {problem}
      </Notice>
    );
  if (!data || (data.status === "ok" && !data.lostWorkers)) return null;
  const problems = Array.isArray(data.problems) ? data.problems : [];
  return (
    <>
      {data.status !== "ok" ? (
        <Notice tone="bad" title="Degraded">
          {problems.join(" ") || "The server does not say why. Its log has the details."}
        </Notice>
      ) : null}
      {data.lostWorkers ? <LostWorkers /> : null}
    </>
  );
}

/** Workers that died with work in their hands. One that was replaced under its own id is no news: it recovers its runs itself. */
function LostWorkers() {
  const { data } = useQuery(executorsQuery);
  const [seen, setSeen] = useState("");
  const live = new Set(data?.filter((worker) => worker.status === "live").map((worker) => worker.executorId));
  const lost =
    data?.filter((worker) => worker.status === "lost" && worker.inFlightTotal > 0 && !live.has(worker.executorId)) ??
    [];
  const key = lost.map((worker) => worker.instanceId).join();
  if (lost.length === 0 || key === seen) return null;
  const held = lost.reduce((sum, worker) => sum + worker.inFlightTotal, 0);
  return (
    <Notice
      tone="warn"
      title={
        lost.length === 1
          ? `Worker ${lost[0]?.executorId ?? ""} stopped beating`
          : `${lost.length} workers stopped beating`
      }
      actions={
        <>
          <Link to="/workers" className="btn">
            See workers
          </Link>
          <IconButton icon="close" label="Dismiss" onClick={() => setSeen(key)} />
        </>
      }
    >
      {`${held === 1 ? "One step was" : `${held} steps were`} in hand. Re-dispatch the runs, or restart the worker under its id.`}
    </Notice>
  );
}

/** A part of the address as text; null when its escapes are none ("%" alone). */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function Route({ path }: { path: string }) {
  const run = /^\/runs\/(.+)$/.exec(path);
  const id = run?.[1] ? decoded(run[1]) : null;
  if (id !== null) return <RunPage key={id} id={id} />;
  if (path === "/" || path === "/runs") return <RunListPage />;
  if (path === "/workers") return <WorkersPage />;
  if (path === "/schedules") return <SchedulesPage />;
  if (path === "/topology") return <TopologyPage />;
  if (path === "/audit") return <AuditPage />;
  return (
    <Empty title="Page not found" icon="help" whole>
      <Link to="/">All runs</Link>
    </Empty>
  );
}

export function App() {
  const { path } = useLocation();
  const [help, setHelp] = useState(false);
  useKeys({
    "?": () => setHelp(true),
    "g r": () => navigate("/"),
    "g w": () => navigate("/workers"),
    "g s": () => navigate("/schedules"),
    "g t": () => navigate("/topology"),
    "g a": () => navigate("/audit"),
  });
  const inRuns = path === "/" || path.startsWith("/runs");
  useEffect(() => {
    const page = NAV.find((entry) => entry.to === path)?.label;
    if (!path.startsWith("/runs/")) document.title = page ? `${page} · ${config.title}` : config.title;
  }, [path]);
  return (
    <div className="app">
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        Skip to content
      </a>
      <header className="topbar">
        <Link to="/" className="brand" aria-label={`${config.title}: all runs`}>
          <Mark />
          <span className="brand-name">{config.title}</span>
        </Link>
        <nav className="nav" aria-label="Pages">
          {NAV.map((entry) => {
            const current = entry.to === "/" ? inRuns : path === entry.to;
            return (
              <Link key={entry.to} to={entry.to} className="nav-link" aria-current={current ? "page" : undefined}>
                {entry.label}
              </Link>
            );
          })}
        </nav>
        <div className="topbar-end">
          {config.role === "viewer" ? (
            <span className="role" title="You can look at everything and change nothing. Operators can act.">
              View only
            </span>
          ) : null}
          <LiveDot />
          <ThemeButton />
          <IconButton icon="help" label="Keyboard shortcuts" onClick={() => setHelp(true)} />
        </div>
      </header>
      <main id="main" className="main" tabIndex={-1}>
        <Boundary what="The state of the service" quiet>
          <HealthBanner />
        </Boundary>
        <Boundary what="This view" at={path}>
          <Suspense
            fallback={
              <div className="page">
                <Skeleton rows={8} />
              </div>
            }
          >
            <Route path={path} />
          </Suspense>
        </Boundary>
      </main>
      {help ? <Help onClose={() => setHelp(false)} /> : null}
    </div>
  );
}
