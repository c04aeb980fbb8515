/** Rows as the server sends them. */
import type { Action, Executor, Facet, Run, RunDetail, RunRow, RunStatus, Step } from "../../src/api/wire";

export const at = (ms: number): string => new Date(ms).toISOString();

/** What the server offers for each status, near enough. */
const ALLOWED: Record<RunStatus, Action[]> = {
  pending: ["cancel", "cancel_undo", "fork"],
  running: ["redispatch", "cancel", "cancel_undo", "fork"],
  suspended: ["cancel", "cancel_undo", "fork"],
  blocked: ["redispatch", "cancel", "cancel_undo", "fork"],
  cancelling: [],
  completed: ["fork", "retry_with_input"],
  failed: ["retry", "cancel_undo", "fork", "retry_with_input"],
  dead: ["retry", "cancel_undo", "fork", "retry_with_input"],
  cancelled: ["retry", "cancel_undo", "fork", "retry_with_input"],
};

/** A run row; the number gives its id and its creation, one second apart. */
export function row(n: number, fields: Partial<RunRow> = {}): RunRow {
  const when = at(n * 1000);
  return {
    id: `r${n}`,
    workflow: "order",
    status: "running",
    recoveryAttempts: 1,
    tags: [],
    searchAttributes: {},
    createdAt: when,
    startedAt: when,
    updatedAt: when,
    traceId: "t",
    allowed: ALLOWED[fields.status ?? "running"],
    ...fields,
  };
}

export function facet(status: RunStatus, count: number, fields: Partial<Facet> = {}): Facet {
  return { status, count, exact: true, ...fields };
}

export function step(seq: number, fields: Partial<Step> = {}): Step {
  return {
    runId: "r1",
    seq,
    name: `step_${seq}`,
    kind: "local",
    status: "completed",
    stepId: `r1:${seq}`,
    attempts: 1,
    housekeeping: false,
    spanId: "s",
    startedAt: at(1000 * seq),
    finishedAt: at(1000 * seq + 500),
    durationMs: 500,
    ...fields,
  };
}

export function detail(
  run: Partial<Run> & { id: string },
  timeline: Step[] = [],
  fields: Partial<RunDetail> = {},
): RunDetail {
  return {
    run: { ...row(1, run), ...run },
    timeline,
    children: [],
    childrenTotal: 0,
    childRuns: [],
    stepsTotal: timeline.length,
    lineage: { forks: [] },
    attempts: [],
    ...fields,
  };
}

export function executor(id: string, fields: Partial<Executor> = {}): Executor {
  return {
    executorId: id,
    instanceId: `${id}-1`,
    status: "live",
    startedAt: at(0),
    lastBeatAt: at(1000),
    queues: [],
    workflows: ["order"],
    inFlight: [],
    inFlightTotal: 0,
    ...fields,
  } as unknown as Executor;
}
