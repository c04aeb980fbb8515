/** The shapes on the wire, as WIRE.md names them. */

export type RunStatus =
  | "pending" | "running" | "suspended" | "cancelling" | "completed"
  | "failed" | "cancelled" | "dead" | "blocked";
export type StepKind = "local" | "remote" | "sleep" | "signal";
export type StepStatus = "pending" | "running" | "completed" | "failed";
export type WaitingOn = "signal" | "webhook" | "update" | "breakpoint" | "child" | "sleep" | "queue" | "delay";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Waiting {
  on: WaitingOn;
  name?: string;
  since: string;
  until?: string;
  seq?: number;
}

export interface Truncated {
  bytes: number;
  fields: string[];
}

export interface ErrorInfo {
  message: string;
  type?: string;
  code?: string;
  stack?: string;
}

export interface RunRow {
  id: string;
  workflow: string;
  workflowVersion?: string;
  status: RunStatus;
  waiting?: Waiting;
  wakeAt?: string;
  queue?: string;
  executor?: string;
  recoveryAttempts: number;
  tags: string[];
  searchAttributes: Record<string, Json>;
  namespace?: string;
  parentId?: string;
  forkedFrom?: string;
  schedule?: string;
  deadLetterId?: string;
  deadRunId?: string;
  undoId?: string;
  undoesId?: string;
  createdAt: string;
  startedAt?: string;
  updatedAt: string;
  finishedAt?: string;
  durationMs?: number;
  queueMs?: number;
  traceId: string;
}

export interface Run extends RunRow {
  input?: Json;
  output?: Json;
  error?: ErrorInfo;
  truncated?: Truncated;
  traceUrl?: string;
  payloadFormats?: Record<string, string>;
}

export interface Step {
  runId: string;
  seq: number;
  name: string;
  kind: StepKind;
  status: StepStatus;
  stepId: string;
  workerGroup?: string;
  executor?: string;
  attempts: number;
  enqueuedAt?: string;
  startedAt?: string;
  finishedAt?: string;
  durationMs?: number;
  queueMs?: number;
  childRunId?: string;
  parallelGroup?: number;
  housekeeping: boolean;
  wakeAt?: string;
  waitsOn?: WaitingOn;
  compensates?: number;
  input?: Json;
  output?: Json;
  error?: ErrorInfo;
  truncated?: Truncated;
  payloadFormats?: Record<string, string>;
  spanId: string;
}

export interface Lineage {
  parent?: RunRow;
  forkedFrom?: RunRow;
  forks: RunRow[];
  deadRun?: RunRow;
  deadLetter?: RunRow;
  undo?: RunRow;
  undoes?: RunRow;
}

export interface RunDetail {
  run: Run;
  timeline: Step[];
  children: RunRow[];
  lineage: Lineage;
}

export interface Facet {
  status: RunStatus;
  workflow?: string;
  count: number;
  exact: boolean;
}

export interface GraphNode {
  id: string;
  type: "start" | "end" | "step" | "group" | "join";
  label: string;
  x: number;
  y: number;
  width: number;
  height: number;
  seq?: number;
  kind?: StepKind;
  status: string;
  workerGroup?: string;
  childRunId?: string;
  durationMs?: number;
  queueMs?: number;
  startedAt?: string;
  wakeAt?: string;
  waitsOn?: WaitingOn;
  housekeeping: boolean;
  compensates?: number;
  parallelGroup?: number;
  count?: number;
  byStatus?: Record<string, number>;
  seqs?: number[];
  expanded?: boolean;
  groupId?: string;
}

export interface GraphEdge {
  id: string;
  source: string;
  target: string;
  kind: "next" | "fan-out" | "fan-in" | "undo";
}

export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
  width: number;
  height: number;
}

export interface PayloadView {
  name: string;
  value?: Json;
  format?: string;
  bytes: number;
  truncated?: Truncated;
}

export interface PublishedView {
  key: string;
  value?: Json;
}

export interface WorkerInstance {
  instanceId: string;
  lastBeatAt: string;
  status: "live" | "lost" | "stopped";
}

export interface WorkerGroup {
  group: string;
  depth: number;
  running: number;
  oldestMs?: number;
  liveWorkers: WorkerInstance[];
  presenceKnown: boolean;
  noWorker: boolean;
  concurrency?: number;
  workerConcurrency?: number;
  rateLimitMax?: number;
  rateLimitPeriodS?: number;
  registered: boolean;
}

export interface InFlight {
  runId: string;
  seq?: number;
  name: string;
  startedAt: string;
  attempt: number;
}

export interface Executor {
  instanceId: string;
  executorId: string;
  status: "live" | "lost" | "stopped";
  lastBeatAt: string;
  startedAt: string;
  appName?: string;
  appVersion?: string;
  host?: string;
  pid?: number;
  sdk?: string;
  queues: string[];
  workflows: string[];
  inFlight: InFlight[];
  inFlightTotal: number;
}

export interface Schedule {
  name: string;
  workflow: string;
  schedule: string;
  active: boolean;
  lastFiredAt?: string;
  timezone?: string;
  queue?: string;
}

export interface Topology {
  nodes: { id: string; type: "workflow" | "queue" | "executor"; label: string; counts: Record<string, number> }[];
  edges: { source: string; target: string; count: number }[];
  sampledRuns: number;
}

export interface Health {
  status: "ok" | "degraded";
  version: string;
  store?: string;
  schemaVersion?: number;
  problems: string[];
  warnings: string[];
  viewers: number;
  liveWorkers?: number;
  lostWorkers?: number;
}

export interface Problem {
  type?: string;
  title?: string;
  status: number;
  detail?: string;
}

export type EventType =
  | "run.pending" | "run.started" | "run.suspended" | "run.resumed" | "run.completed" | "run.failed"
  | "run.cancelling" | "run.cancelled" | "run.dead" | "step.started" | "step.completed" | "step.failed";

export interface LifecycleEvent {
  id: number;
  type: EventType;
  runId: string;
  workflow: string;
  seq?: number;
  name?: string;
  kind?: StepKind;
  durationMs?: number;
  queueMs?: number;
  error?: ErrorInfo;
  at: string;
  /** The run's row after the event. */
  run?: RunRow;
  step?: Step;
}

export interface RunSnapshot {
  type: "snapshot";
  id: number;
  detail: RunDetail;
}

export interface ListSnapshot {
  type: "snapshot";
  id: number;
  runs: RunRow[];
}

export interface Heartbeat {
  type: "heartbeat";
  id: number;
}

export const RUN_STATUSES: readonly RunStatus[] = [
  "running", "suspended", "pending", "blocked", "cancelling", "failed", "dead", "completed", "cancelled",
];
export const TERMINAL: ReadonlySet<RunStatus> = new Set<RunStatus>(["completed", "failed", "cancelled", "dead"]);

/** What an undo would do, first compensation first. */
export interface UndoPreview {
  runId: string;
  steps: UndoStep[];
  notes?: string[];
}

export interface UndoStep {
  seq: number;
  name: string;
  compensation?: string;
  output?: Json;
  note?: string;
}

export interface AuditEntry {
  id?: number;
  at: string;
  actor: string;
  action: string;
  runId?: string;
  outcome: string;
  detail?: string;
  params?: Record<string, Json>;
}

export interface BulkState {
  bulkId: string;
  matched: number;
  applied: number;
  refused?: number;
  done: boolean;
}

export interface BulkPreview {
  matched: number;
  byStatus: Record<string, number>;
  sample: RunRow[];
}
