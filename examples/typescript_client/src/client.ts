/**
 * A typed client of the dashboard's HTTP API: openapi-fetch over types that are made from its OpenAPI document.
 *
 * `client.api` has every route: a path, a parameter or a member that the document does not know does not compile.
 * Beside it there is what a document cannot say: pages one after another, and streams that reconnect.
 */
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./openapi.js";

export type Schemas = components["schemas"];
export type Run = Schemas["RunRow"];
export type RunFilter = Omit<NonNullable<paths["/runs"]["get"]["parameters"]["query"]>, "cursor" | "offset">;
export type RunMessage = Schemas["RunSnapshot"] | Schemas["EventView"] | Schemas["Changed"];
export type ListMessage = Schemas["ListSnapshot"] | Schemas["EventView"] | Schemas["Changed"];

export interface ClientOptions {
  token?: string;
  headers?: Record<string, string>;
  fetch?: typeof globalThis.fetch;
}

export interface StreamOptions {
  /** Continue after this message, without a snapshot where the server still remembers it. */
  lastEventId?: number;
  signal?: AbortSignal;
}

/** The API said no. `problem` is the whole RFC 9457 document. */
export class DurableError extends Error {
  constructor(
    readonly status: number,
    readonly problem: { title?: string; detail?: string; reason?: string },
  ) {
    super(problem.detail ?? problem.reason ?? problem.title ?? `HTTP ${status}`);
    this.name = "DurableError";
  }
}

const ENDED = new Set(["completed", "failed", "cancelled", "dead"]);
const UNAVAILABLE = new Set([502, 503, 504]);
const MESSAGES = new Set(["message", "snapshot", "changed"]);
const LONGEST_WAIT_MS = 30_000;
/** A stream sends a heartbeat well within this; without one the connection is taken for lost. */
const LONGEST_SILENCE_MS = 60_000;

export class DurableClient {
  readonly api: Client<paths>;
  readonly #base: string;
  readonly #headers: Record<string, string>;
  readonly #fetch: typeof globalThis.fetch;

  /** `baseUrl` is where the dashboard is mounted: `http://127.0.0.1:8000/durable`. */
  constructor(baseUrl: string, { token, headers = {}, fetch = globalThis.fetch }: ClientOptions = {}) {
    this.#base = `${baseUrl.replace(/\/+$/, "")}/api`;
    this.#headers = { ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }), ...headers };
    this.#fetch = fetch;
    this.api = createClient<paths>({ baseUrl: this.#base, headers: this.#headers, fetch });
    this.api.use({
      async onResponse({ response }) {
        if (!response.ok) throw await refusal(response);
      },
    });
  }

  /** Every run of the filter, newest first, page by page. */
  async *iterRuns(filter: RunFilter = {}): AsyncGenerator<Run> {
    let cursor: string | undefined;
    do {
      const query = cursor === undefined ? filter : { ...filter, cursor };
      const { data, response } = await this.api.GET("/runs", { params: { query } });
      yield* data ?? [];
      const next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];
      cursor = next === undefined ? undefined : (new URL(next, this.#base).searchParams.get("cursor") ?? undefined);
    } while (cursor !== undefined);
  }

  /** A snapshot of the run, then what happens to it, until it has ended. Nothing is missed when it reconnects. */
  async *streamRun(runId: string, options: StreamOptions = {}): AsyncGenerator<RunMessage> {
    const path = `runs/${encodeURIComponent(runId)}/stream`;
    for await (const message of this.#follow<RunMessage>(path, options)) {
      yield message;
      if (hasEnded(message)) return;
    }
  }

  /** The newest runs of the filter, then every change among them. */
  streamRuns(filter: RunFilter = {}, options: StreamOptions = {}): AsyncGenerator<ListMessage> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(filter)) {
      for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) query.append(name, String(one));
    }
    return this.#follow<ListMessage>(`stream?${query}`, options);
  }

  async *#follow<T extends { id: number }>(path: string, { lastEventId, signal }: StreamOptions): AsyncGenerator<T> {
    let last = lastEventId;
    let connected = false;
    let retryMs = 2_000;
    for (let failures = 0; ; failures++) {
      const silence = new Watchdog(LONGEST_SILENCE_MS);
      try {
        const headers: Record<string, string> = { ...this.#headers, Accept: "text/event-stream" };
        if (last !== undefined) headers["Last-Event-ID"] = String(last);
        const either = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
        const response = await this.#fetch(`${this.#base}/${path}`, { headers, signal: either });
        if (!response.ok && !(connected && UNAVAILABLE.has(response.status))) throw await refusal(response);
        for await (const event of response.ok && response.body ? serverSentEvents(response.body) : []) {
          silence.reset();
          retryMs = event.retryMs ?? retryMs;
          if (event.data === "" || !MESSAGES.has(event.name)) continue;
          const message = JSON.parse(event.data) as T;
          [connected, failures, last] = [true, 0, message.id];
          yield message;
        }
      } catch (error) {
        if (!connected || error instanceof DurableError || signal?.aborted) throw error;
      } finally {
        silence.stop();
      }
      await sleep(Math.min(retryMs * 2 ** failures, LONGEST_WAIT_MS), signal);
    }
  }
}

/** The answer's data. A refusal has been thrown as `DurableError` before, so there is always one. */
export async function dataOf<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}

function hasEnded(message: RunMessage): boolean {
  if (message.type === "snapshot") return ENDED.has(message.detail.run.status);
  if (message.type === "changed") return ENDED.has(message.run.status);
  return ENDED.has(message.type.replace(/^run\./, ""));
}

async function refusal(response: Response): Promise<DurableError> {
  const text = await response.text();
  try {
    return new DurableError(response.status, JSON.parse(text) as Record<string, string>);
  } catch {
    return new DurableError(response.status, { title: response.statusText, detail: text.slice(0, 300) });
  }
}

/** Aborts its signal unless it is reset again and again. */
class Watchdog {
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly ms: number) {
    this.reset();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  reset(): void {
    this.stop();
    this.#timer = setTimeout(() => this.#controller.abort(new Error(`No heartbeat for ${this.ms} ms.`)), this.ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

interface ServerSentEvent {
  name: string;
  data: string;
  retryMs?: number;
}

/** Events of a body. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html */
async function* serverSentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  let name = "message";
  let data: string[] = [];
  let retryMs: number | undefined;
  for await (const chunk of body) {
    // A carriage return at the very end may be the first half of a line's end: it waits for what follows.
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [field = "", value = ""] = line.split(/: ?(.*)/s);
      if (line === "") {
        yield { name, data: data.join("\n"), ...(retryMs === undefined ? {} : { retryMs }) };
        [name, data, retryMs] = ["message", [], undefined];
      } else if (field === "event") name = value;
      else if (field === "data") data.push(value);
      else if (field === "retry" && /^\d+$/.test(value)) retryMs = Number(value);
    }
  }
}
