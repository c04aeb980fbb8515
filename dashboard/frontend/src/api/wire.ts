/**
 * The shapes on the wire. ``openapi.d.ts`` is generated from the server's own document (npm run types); this file only
 * names its parts, and says what JSON Schema cannot: a field that is null is left out of an answer, payloads are any JSON.
 */
import type { components } from "./openapi";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Optional fields are absent, never null. */
type Present<T> = T extends readonly (infer Item)[]
  ? Present<Item>[]
  : T extends object
    ? { [Key in keyof T]: undefined extends T[Key] ? Present<Exclude<T[Key], null>> : Present<T[Key]> }
    : T;

type Schema<Name extends keyof components["schemas"]> = Present<components["schemas"][Name]>;
type With<T, Fields> = Omit<T, keyof Fields> & Fields;

export type RunRow = With<Schema<"RunRow">, { searchAttributes: Record<string, Json> }>;
export type RunStatus = RunRow["status"];
export type Waiting = Schema<"WaitingView">;
export type WaitingOn = Waiting["on"];
export type ErrorInfo = Schema<"ErrorView">;
export type Run = With<
  Schema<"RunView">,
  { input?: Json; output?: Json; searchAttributes: Record<string, Json>; payloadFormats?: Record<string, string> }
>;
export type Step = With<Schema<"StepView">, { input?: Json; output?: Json; payloadFormats?: Record<string, string> }>;
export type StepKind = Step["kind"];
export type StepStatus = Step["status"];

export interface Lineage {
  parent?: RunRow;
  forkedFrom?: RunRow;
  forks: RunRow[];
  deadRun?: RunRow;
  deadLetter?: RunRow;
  undo?: RunRow;
  undoes?: RunRow;
}
export type RunDetail = With<Schema<"RunDetail">, { run: Run; timeline: Step[]; children: RunRow[]; lineage: Lineage }>;
export type Facet = Schema<"FacetView">;

export type GraphNode = With<Schema<"GraphNode">, { byStatus?: Record<string, number> }>;
export type GraphEdge = Schema<"GraphEdge">;
export type Graph = With<Schema<"Graph">, { nodes: GraphNode[]; edges: GraphEdge[] }>;

export type PublishedView = With<Schema<"PublishedView">, { value?: Json }>;
export type WorkerGroup = Schema<"WorkerGroup">;
export type Executor = Schema<"ExecutorView">;
export type Schedule = Schema<"ScheduleView">;
export type Topology = Schema<"Topology">;
export type Health = Schema<"HealthView">;

export type LifecycleEvent = With<Schema<"EventView">, { run?: RunRow; step?: Step }>;
export type EventType = LifecycleEvent["type"];
export type Changed = With<Schema<"Changed">, { type: "changed"; run: RunRow }>;
export type Heartbeat = With<Schema<"Heartbeat">, { type: "heartbeat" }>;
export type RunSnapshot = With<Schema<"RunSnapshot">, { type: "snapshot"; detail: RunDetail }>;
export type ListSnapshot = With<Schema<"ListSnapshot">, { type: "snapshot"; runs: RunRow[] }>;

export type Problem = Schema<"ProblemDocument">;
export type ActionAnswer = With<Schema<"ActionAnswer">, { searchAttributes: Record<string, Json> }>;
export type NewRun = Schema<"NewRun">;
export type UndoView = Schema<"UndoView">;
export type BulkAnswer = With<Schema<"BulkAnswer">, { byStatus?: Record<string, number>; sample?: RunRow[] }>;
export type BulkStatus = Schema<"BulkStatus">;
export type AuditEntry = With<Schema<"AuditView">, { params: Record<string, Json> }>;

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
