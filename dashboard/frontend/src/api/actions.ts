/** Everything that changes something. Each answers at once; a worker does the work, and the stream tells. */
import { filterToQuery, type RunFilter } from "../lib/filter";
import type { Json } from "../lib/json";
import type { ExactJson } from "../lib/exactJson";
import { post, type RequestOf } from "./http";
import type { components } from "./openapi";

const on = (runId: string) => ({ path: { runId } });

export const retryRun = (id: string, queue?: string) =>
  post("/runs/{runId}/retry", { ...on(id), body: queue ? { queue } : {} });

export interface CancelOptions {
  compensate: boolean;
  children: boolean;
}

/** Only what is asked for is sent. */
const asked = ({ compensate, children }: CancelOptions) => ({
  ...(compensate ? { compensate } : {}),
  ...(children ? { children } : {}),
});

export const cancelRun = (id: string, options: CancelOptions) =>
  post("/runs/{runId}/cancel", { ...on(id), query: asked(options) });

/** What a person typed, where the API takes any JSON: ``post`` sends it as it was typed. */
const typed = (value: ExactJson): Json => value as unknown as Json;

export interface Release {
  comment: string;
  /** As it was typed; null: none. */
  payload: ExactJson | null;
  seq: number;
}

export const continueRun = (id: string, release?: Release) =>
  post("/runs/{runId}/continue", {
    ...on(id),
    ...(release
      ? {
          body: {
            comment: release.comment,
            seq: release.seq,
            ...(release.payload === null ? {} : { payload: typed(release.payload) }),
          },
        }
      : {}),
  });

/** ``seq``: the sleep that is meant, where the run is in several. */
export const wakeRun = (id: string, body: { comment: string; seq?: number }) =>
  post("/runs/{runId}/wake", { ...on(id), body });

export const assignWait = (runId: string, seq: number, assignee: string | null) =>
  post("/runs/{runId}/waits/{seq}/assign", { path: { runId, seq }, body: assignee === null ? {} : { assignee } });

export const linkQuestion = (runId: string, seq: number) =>
  post("/runs/{runId}/waits/{seq}/link", { path: { runId, seq }, body: {} });

export const snoozeAlert = (alertId: string, minutes: number, note: string) =>
  post("/alerts/{alertId}/snooze", { path: { alertId }, body: { minutes, note } });

export const resolveAlert = (alertId: string, note: string) =>
  post("/alerts/{alertId}/resolve", { path: { alertId }, body: { note } });

export const testAlerts = () => post("/alerts/test", {});

export const forkRun = (id: string, fromSeq: number) => post("/runs/{runId}/fork", { ...on(id), body: { fromSeq } });

export const retryWithInput = (id: string, input: ExactJson) =>
  post("/runs/{runId}/retry-with-input", { ...on(id), body: { input: typed(input) } });

/** ``force``: the worker is known to be gone, although nobody reports presence. */
export const redispatchRun = (id: string, force: boolean) =>
  post("/runs/{runId}/redispatch", { ...on(id), body: { force } });

export const moveRun = (id: string, body: NonNullable<RequestOf<"/runs/{runId}/move", "post">["body"]>) =>
  post("/runs/{runId}/move", { ...on(id), body });

export const decideError = (
  fingerprint: string,
  body: NonNullable<RequestOf<"/errors/{fingerprint}", "post">["body"]>,
) => post("/errors/{fingerprint}", { path: { fingerprint }, body });

export const decideRun = (id: string, body: NonNullable<RequestOf<"/runs/{runId}/decision", "post">["body"]>) =>
  post("/runs/{runId}/decision", { ...on(id), body });

const once = (key: string) => ({ headers: { "Idempotency-Key": key } });

/** The key makes a repeat of the same sending, after a lost answer say, arrive once. */
export const sendSignal = (runId: string, topic: string, message: ExactJson, key: string) =>
  post("/runs/{runId}/signals/{topic}", { path: { runId, topic }, body: typed(message), ...once(key) });

export const sendUpdate = (runId: string, name: string, argument: ExactJson, key: string) =>
  post("/runs/{runId}/updates/{name}", { path: { runId, name }, body: typed(argument), ...once(key) });

type NewRunBody = RequestOf<"/runs", "post">["body"];

export const startRun = ({ input, ...rest }: Omit<NewRunBody, "input"> & { input: ExactJson }) =>
  post("/runs", { body: { ...rest, input: typed(input) } });

export type BulkAction = RequestOf<"/bulk/{action}", "post">["path"]["action"];

export interface BulkOptions extends CancelOptions {
  toQueue: string;
  /** A part first; the rest only where none of it fails again. */
  canary: boolean;
}

/** ``ids``: only these of the filter. */
export const previewBulk = (action: BulkAction, filter: RunFilter, ids?: readonly string[]) =>
  post("/bulk/{action}", {
    path: { action },
    query: { ...filterToQuery(filter, Date.now()), dryRun: true },
    body: ids === undefined ? {} : { ids: [...ids] },
  });

/** What of the preview is meant: nothing newer than it (``boundMs``), and of its errors those that stayed ticked. */
export interface BulkChosen {
  boundMs?: number;
  ids?: string[];
  errors?: string[];
}

export const applyBulk = (action: BulkAction, filter: RunFilter, options: BulkOptions, chosen: BulkChosen) =>
  post("/bulk/{action}", {
    path: { action },
    query: {
      ...filterToQuery(filter, Date.now()),
      ...asked(options),
      ...(options.toQueue ? { toQueue: options.toQueue } : {}),
      ...(options.canary ? { canary: true } : {}),
      all: true, // what no filter narrows was previewed too
    },
    body: chosen,
  });

type ViewFilter = components["schemas"]["ViewFilter"];

/** A filter as a view keeps it: a moving window stays one. */
function viewFilter(filter: RunFilter): ViewFilter {
  const { since, ...rest } = filterToQuery(filter, Date.now());
  return { ...rest, ...(since === undefined ? {} : { since: filter.since }) };
}

export const saveView = (name: string, filter: RunFilter) =>
  post("/views", { body: { name, filter: viewFilter(filter) } });

export interface ViewChanges {
  name?: string;
  filter?: RunFilter;
  isDefault?: boolean;
}

export const changeView = (id: string, { filter, ...rest }: ViewChanges) =>
  post("/views/{viewId}", {
    path: { viewId: id },
    body: { ...rest, ...(filter === undefined ? {} : { filter: viewFilter(filter) }) },
  });

export const deleteView = (id: string) => post("/views/{viewId}/delete", { path: { viewId: id }, body: {} });

export type ScheduleVerb = "pause" | "resume" | "trigger";

export async function scheduleAction(name: string, verb: ScheduleVerb): Promise<void> {
  if (verb === "trigger") await post("/schedules/{name}/trigger", { path: { name } });
  else await post("/schedules/{name}/{action}", { path: { name, action: verb } });
}

export const pauseQueue = (name: string, comment: string) =>
  post("/queues/{name}/pause", { path: { name }, body: { comment } });

export const resumeQueue = (name: string) => post("/queues/{name}/resume", { path: { name } });

/** A key of one's own, without crypto.randomUUID: that one is missing where the page is served without TLS. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(16).padStart(8, "0")).join("");
}
