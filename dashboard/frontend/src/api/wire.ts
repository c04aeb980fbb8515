/**
 * The shapes on the wire, by the names that the page uses. ``openapi.d.ts`` is generated from the server's own document
 * (npm run types): absent fields are undefined, payloads are any JSON.
 */
import type { components } from "./openapi";

type Schemas = components["schemas"];

export type { Json } from "../lib/json";
export type RunRow = Schemas["RunRow"];
export type RunStatus = RunRow["status"];
/** What may be done to a run as it is now, said by the server. */
export type Action = RunRow["allowed"][number];
export type Waiting = Schemas["WaitingView"];
export type WaitingOn = Waiting["on"];
export type ErrorInfo = Schemas["ErrorView"];
export type Run = Schemas["RunView"];
export type Step = Schemas["StepView"];
export type StepKind = Step["kind"];
export type StepStatus = Step["status"];
/** What a worker kept of the attempts at a step. */
export type AttemptLog = Schemas["AttemptLogView"];
export type StepAttempt = Schemas["StepAttemptView"];
export type StepLog = Schemas["StepLogView"];
export type Lineage = Schemas["Lineage"];
export type RunDetail = Schemas["RunDetail"];
export type Fold = Schemas["FoldView"];
export type Timing = Schemas["TimingView"];
export type Usual = Schemas["UsualView"];
export type Compare = Schemas["CompareView"];
export type ComparedRun = Schemas["ComparedRun"];
export type ComparedRow = Schemas["ComparedRow"];
export type ValueDiff = Schemas["ValueDiff"];
export type Activity = Schemas["ActivityView"];
export type ActivityBucket = Schemas["ActivityBucket"];
export type Facet = Schemas["FacetView"];
export type GraphNode = Schemas["GraphNode"];
export type GraphEdge = Schemas["GraphEdge"];
export type Graph = Schemas["Graph"];
export type StreamView = Schemas["StreamView"];
export type PublishedView = Schemas["PublishedView"];
export type WorkerGroup = Schemas["WorkerGroup"];
export type Executor = Schemas["ExecutorView"];
export type Schedule = Schemas["ScheduleView"];
export type Topology = Schemas["Topology"];
export type Health = Schemas["HealthView"];
export type LifecycleEvent = Schemas["EventView"];
export type EventType = LifecycleEvent["type"];
export type Changed = Schemas["Changed"];
export type Heartbeat = Schemas["Heartbeat"];
export type RunSnapshot = Schemas["RunSnapshot"];
export type ListSnapshot = Schemas["ListSnapshot"];
export type NewRun = Schemas["NewRun"];
export type UndoView = Schemas["UndoView"];
export type BulkAnswer = Schemas["BulkAnswer"];
export type BulkGroup = Schemas["BulkGroup"];
export type BulkStage = Schemas["BulkStage"];
export type BulkView = Schemas["BulkView"];
export type BulkStatus = Schemas["BulkStatus"];
export type OpenWait = Schemas["OpenWaitView"];
export type InboxEntry = Schemas["InboxEntry"];
export type Alert = Schemas["AlertView"];
export type ErrorsAnswer = Schemas["ErrorsView"];
export type ErrorGroup = Schemas["ErrorGroupView"];
export type ErrorState = ErrorGroup["state"];
export type ErrorDetail = Schemas["ErrorDetail"];
export type SharedValue = Schemas["SharedView"];
export type View = Schemas["ViewView"];
export type Version = Schemas["VersionView"];
export type AuditEntry = Schemas["AuditView"];

/** In the order that the eye should meet them. */
export const RUN_STATUSES: readonly RunStatus[] = [
  "running",
  "suspended",
  "pending",
  "blocked",
  "cancelling",
  "failed",
  "dead",
  "completed",
  "cancelled",
];
