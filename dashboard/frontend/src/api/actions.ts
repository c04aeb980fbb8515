/** Everything that changes something. Each answers at once; a worker does the work, and the stream tells. */
import { type RunFilter, filterToQuery } from "../lib/filter";
import { postJson } from "./http";
import type { BulkPreview, Json, RunRow } from "./wire";

export interface RunAnswer extends RunRow {
  runId: string;
}

const run = (id: string): string => `runs/${encodeURIComponent(id)}`;

export const retryRun = (id: string, queue?: string): Promise<RunAnswer> =>
  postJson(`${run(id)}/retry`, queue ? { queue } : {});

export function cancelRun(id: string, options: { compensate: boolean; children: boolean }): Promise<RunAnswer> {
  const params = new URLSearchParams();
  if (options.compensate) params.set("compensate", "true");
  if (options.children) params.set("children", "true");
  return postJson(`${run(id)}/cancel`, {}, params);
}

export const continueRun = (id: string): Promise<RunAnswer> => postJson(`${run(id)}/continue`);

export const forkRun = (id: string, fromSeq: number): Promise<{ runId: string }> => postJson(`${run(id)}/fork`, { fromSeq });

export const retryWithInput = (id: string, input: Json): Promise<{ runId: string }> =>
  postJson(`${run(id)}/retry-with-input`, { input });

export const redispatchRun = (id: string): Promise<RunAnswer> => postJson(`${run(id)}/redispatch`);

export const sendSignal = (id: string, topic: string, message: Json): Promise<unknown> =>
  postJson(`${run(id)}/signals/${encodeURIComponent(topic)}`, message);

export const sendUpdate = (id: string, name: string, argument: Json): Promise<unknown> =>
  postJson(`${run(id)}/updates/${encodeURIComponent(name)}`, argument);

export type BulkAction = "retry" | "cancel";

export function previewBulk(action: BulkAction, filter: RunFilter): Promise<BulkPreview> {
  const params = filterToQuery(filter, Date.now());
  params.set("dryRun", "true");
  return postJson(`bulk/${action}`, {}, params);
}

export function applyBulk(action: BulkAction, filter: RunFilter): Promise<{ matched: number; applied: number; bulkId: string }> {
  return postJson(`bulk/${action}`, {}, filterToQuery(filter, Date.now()));
}

export const scheduleAction = (name: string, action: "pause" | "resume" | "trigger"): Promise<unknown> =>
  postJson(`schedules/${encodeURIComponent(name)}/${action}`);
