/** The pages: where each is, what it is called, how it is reached. Navigation, keys, titles and Ctrl-K read this table. */
import type { ReactNode } from "react";
import { RunListPage } from "../pages/runs/RunListPage";
import { runIdOf } from "../lib/runSegment";
import { lazyPart } from "./lazyPart";

export interface PageRoute {
  /** Below the base; ``:id`` takes what is left of the path. */
  path: string;
  title: string;
  /** Pages that are gone to by themselves have a key: "g" and this. They have a place in the top bar, unless it is hidden. */
  nav?: { key: string; hidden?: true };
  /** The entry of the top bar to which a page without its own belongs. */
  under?: string;
  Page: (props: { id: string }) => ReactNode;
  preload?: () => void;
}

const run = lazyPart(
  () => import("../pages/run/RunPage"),
  (module) => module.RunPage,
);
const compare = lazyPart(
  () => import("../pages/compare/ComparePage"),
  (module) => module.ComparePage,
);
const errors = lazyPart(
  () => import("../pages/errors/ErrorsPage"),
  (module) => module.ErrorsPage,
);
const error = lazyPart(
  () => import("../pages/errors/ErrorPage"),
  (module) => module.ErrorPage,
);
const inbox = lazyPart(
  () => import("../pages/inbox/InboxPage"),
  (module) => module.InboxPage,
);
const question = lazyPart(
  () => import("../pages/inbox/QuestionPage"),
  (module) => module.QuestionPage,
);
const alerts = lazyPart(
  () => import("../pages/alerts/AlertsPage"),
  (module) => module.AlertsPage,
);
const bulk = lazyPart(
  () => import("../pages/bulk/BulkPage"),
  (module) => module.BulkPage,
);
const bulks = lazyPart(
  () => import("../pages/bulk/BulksPage"),
  (module) => module.BulksPage,
);
const versions = lazyPart(
  () => import("../pages/versions/VersionsPage"),
  (module) => module.VersionsPage,
);
const workers = lazyPart(
  () => import("../pages/workers/WorkersPage"),
  (module) => module.WorkersPage,
);
const schedules = lazyPart(
  () => import("../pages/schedules/SchedulesPage"),
  (module) => module.SchedulesPage,
);
const topology = lazyPart(
  () => import("../pages/topology/TopologyPage"),
  (module) => module.TopologyPage,
);
const audit = lazyPart(
  () => import("../pages/audit/AuditPage"),
  (module) => module.AuditPage,
);

export const ROUTES: readonly PageRoute[] = [
  { path: "/", title: "Runs", nav: { key: "r" }, Page: RunListPage },
  { path: "/runs/:id/compare", title: "Compare", under: "/", Page: compare.Part, preload: compare.preload },
  { path: "/runs/:id", title: "Run", under: "/", Page: run.Part, preload: run.preload },
  { path: "/errors", title: "Errors", nav: { key: "e" }, Page: errors.Part, preload: errors.preload },
  { path: "/errors/:id", title: "Error", under: "/errors", Page: error.Part, preload: error.preload },
  { path: "/bulk", title: "Bulk actions", nav: { key: "b", hidden: true }, under: "/", Page: bulks.Part },
  { path: "/bulk/:id", title: "Bulk action", under: "/", Page: bulk.Part, preload: bulk.preload },
  { path: "/inbox", title: "Inbox", nav: { key: "i" }, Page: inbox.Part, preload: inbox.preload },
  { path: "/inbox/:id", title: "Question", under: "/inbox", Page: question.Part },
  { path: "/alerts", title: "Alerts", nav: { key: "l" }, Page: alerts.Part, preload: alerts.preload },
  { path: "/workers", title: "Workers", nav: { key: "w" }, Page: workers.Part, preload: workers.preload },
  { path: "/versions", title: "Versions", nav: { key: "v" }, Page: versions.Part, preload: versions.preload },
  { path: "/schedules", title: "Schedules", nav: { key: "s" }, Page: schedules.Part, preload: schedules.preload },
  { path: "/topology", title: "Topology", nav: { key: "t" }, Page: topology.Part, preload: topology.preload },
  { path: "/audit", title: "Audit", nav: { key: "a" }, Page: audit.Part, preload: audit.preload },
];

/** A part of the address as text; null when its escapes are none ("%" alone). */
function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** The page at a path, and the id in it; null when there is none. */
export function matchRoute(path: string): { route: PageRoute; id: string } | null {
  const exact = path === "/runs" ? "/" : path;
  for (const route of ROUTES) {
    if (route.path === exact) return { route, id: "" };
    const [prefix, suffix] = route.path.split(":id");
    if (prefix === undefined || suffix === undefined || !path.startsWith(prefix) || !path.endsWith(suffix)) continue;
    if (path.length <= prefix.length + suffix.length) continue;
    const id = decoded(path.slice(prefix.length, path.length - suffix.length));
    if (id !== null) return { route, id: prefix === "/runs/" ? runIdOf(id) : id };
  }
  return null;
}
