/** Names of cached answers. A shorter key stands for everything below it: invalidating ``keys.run(id)`` reads all of it again. */
import { filterToParams, type RunFilter } from "../lib/filter";

const named = (filter: RunFilter): string => filterToParams(filter).toString();

export const keys = {
  runs: ["runs"] as const,
  runLists: ["runs", "list"] as const,
  facetsOfAll: ["runs", "facets"] as const,
  runList: (filter: RunFilter) => ["runs", "list", named(filter)] as const,
  facets: (filter: RunFilter) => ["runs", "facets", named(filter)] as const,
  activity: (filter: RunFilter) => ["runs", "activity", named(filter)] as const,
  workflows: ["runs", "workflows"] as const,
  run: (id: string) => ["run", id] as const,
  runDetail: (id: string) => ["run", id, "detail"] as const,
  graph: (id: string) => ["run", id, "graph"] as const,
  graphOf: (id: string, expand: readonly string[], children: readonly string[]) =>
    ["run", id, "graph", expand, children] as const,
  timing: (id: string) => ["run", id, "timing"] as const,
  timingAt: (id: string, finishedAt: string | undefined) => ["run", id, "timing", finishedAt ?? null] as const,
  usageAt: (id: string, finishedAt: string | undefined) => ["run", id, "usage", finishedAt ?? null] as const,
  stepsPart: (id: string, from: number) => ["run", id, "steps", from] as const,
  stepsFound: (id: string, text: string) => ["run", id, "found", text] as const,
  compare: (id: string, other: string | null, attempt: number | null, step: number | null) =>
    ["run", id, "compare", other, attempt, step] as const,
  step: (id: string, seq: number) => ["run", id, "step", seq] as const,
  payload: (id: string, name: string) => ["run", id, "payload", name] as const,
  published: (id: string) => ["run", id, "published"] as const,
  streams: (id: string) => ["run", id, "streams"] as const,
  streamPart: (id: string, key: string, after: number) => ["run", id, "streams", key, after] as const,
  undo: (id: string) => ["run", id, "undo"] as const,
  audit: ["audit"] as const,
  auditOf: (runId: string | null) => ["audit", runId] as const,
  bulk: (id: string) => ["bulk", "one", id] as const,
  bulks: ["bulk", "list"] as const,
  bulkPreview: (action: string, filter: RunFilter, ids: readonly string[] | undefined) =>
    ["bulk-preview", action, named(filter), ids ?? null] as const,
  inbox: ["inbox"] as const,
  inboxOf: (assignee: string | null) => ["inbox", "list", assignee] as const,
  question: (token: string) => ["inbox", "question", token] as const,
  waits: (id: string, seq: number | undefined) => ["run", id, "waits", seq ?? null] as const,
  inboxCount: ["inbox", "count"] as const,
  workers: ["workers"] as const,
  executors: ["executors"] as const,
  schedules: ["schedules"] as const,
  topology: ["topology"] as const,
  errors: ["errors"] as const,
  errorList: (since: string, until: string, state: string | null) => ["errors", "list", since, until, state] as const,
  error: (fingerprint: string, since: string, until: string) => ["errors", "one", fingerprint, since, until] as const,
  views: ["views"] as const,
  versions: ["versions"] as const,
  moveCheck: (id: string, version: string) => ["run", id, "move", version] as const,
  health: ["health"] as const,
};
