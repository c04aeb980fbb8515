/** Everything that changes something. Each answers at once; a worker does the work, and the stream tells. */
import { type RunFilter, filterToQuery } from "../lib/filter";
import { postJson } from "./http";
import type { ActionAnswer, BulkAnswer, Json, NewRun } from "./wire";

const run = (id: string): string => `runs/${encodeURIComponent(id)}`;

export const retryRun = (id: string, queue?: string): Promise<ActionAnswer> =>
  postJson(`${run(id)}/retry`, queue ? { queue } : {});

export function cancelRun(id: string, options: { compensate: boolean; children: boolean }): Promise<ActionAnswer> {
  const params = new URLSearchParams();
  if (options.compensate) params.set("compensate", "true");
  if (options.children) params.set("children", "true");
  return postJson(`${run(id)}/cancel`, {}, params);
}

export const continueRun = (id: string): Promise<ActionAnswer> => postJson(`${run(id)}/continue`);

export const forkRun = (id: string, fromSeq: number): Promise<NewRun> => postJson(`${run(id)}/fork`, { fromSeq });

export const retryWithInput = (id: string, input: Json): Promise<NewRun> =>
  postJson(`${run(id)}/retry-with-input`, { input });

/** ``force``: the worker is known to be gone, although nobody reports presence. */
export const redispatchRun = (id: string, force: boolean): Promise<{ redispatched: boolean; status: string }> =>
  postJson(`${run(id)}/redispatch`, { force });

/** The key makes a repeat of the same sending, after a lost answer say, arrive once. */
export const sendSignal = (id: string, topic: string, message: Json, key: string): Promise<ActionAnswer> =>
  postJson(`${run(id)}/signals/${encodeURIComponent(topic)}`, message, undefined, { "Idempotency-Key": key });

export const sendUpdate = (id: string, name: string, argument: Json, key: string): Promise<unknown> =>
  postJson(`${run(id)}/updates/${encodeURIComponent(name)}`, argument, undefined, { "Idempotency-Key": key });

export interface NewRunRequest {
  workflow: string;
  input: Json;
  runId?: string;
  queue?: string;
}

export const startRun = (request: NewRunRequest): Promise<NewRun> => postJson("runs", request);

export type BulkAction = "retry" | "cancel";

export interface BulkOptions {
  compensate: boolean;
  children: boolean;
  toQueue: string;
}

function bulkParams(filter: RunFilter, options: BulkOptions): URLSearchParams {
  const params = filterToQuery(filter, Date.now());
  if (options.compensate) params.set("compensate", "true");
  if (options.children) params.set("children", "true");
  if (options.toQueue) params.set("toQueue", options.toQueue);
  return params;
}

export function previewBulk(action: BulkAction, filter: RunFilter): Promise<BulkAnswer> {
  const params = filterToQuery(filter, Date.now());
  params.set("dryRun", "true");
  return postJson(`bulk/${action}`, {}, params);
}

/** ``boundMs`` is the preview's: nothing newer than what was shown is touched. */
export function applyBulk(
  action: BulkAction,
  filter: RunFilter,
  options: BulkOptions,
  boundMs: number | undefined,
): Promise<BulkAnswer> {
  return postJson(`bulk/${action}`, boundMs === undefined ? {} : { boundMs }, bulkParams(filter, options));
}

export const scheduleAction = (name: string, action: "pause" | "resume" | "trigger"): Promise<unknown> =>
  postJson(`schedules/${encodeURIComponent(name)}/${action}`);

/** A key of one's own, without crypto.randomUUID: that one is missing where the page is served without TLS. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(16).padStart(8, "0")).join("");
}
