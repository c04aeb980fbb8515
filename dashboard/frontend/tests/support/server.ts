/** A server in the test's hands: answers at once, late, or not at all, and remembers what it was asked. */
import { vi } from "vitest";

export interface Asked {
  method: string;
  /** Below api/, without the query. */
  path: string;
  query: URLSearchParams;
  body: unknown;
  /** The body as it was sent. */
  text: string;
  headers: Headers;
}

export type Answer = Response | Promise<Response>;
type Handler = (asked: Asked) => Answer;

/** A JSON answer. */
export function json(body: unknown, init: ResponseInit = {}): Response {
  return new Response(JSON.stringify(body), {
    ...init,
    headers: { "Content-Type": "application/json", ...init.headers },
  });
}

/** A refusal in the words of RFC 9457. */
export function problem(status: number, detail: string, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify({ type: "about:blank", title: "Refused", status, detail }), {
    status,
    headers: { "Content-Type": "application/problem+json", ...headers },
  });
}

/** An answer that comes when the test says so. */
export class Later {
  private release: (response: Response) => void = () => undefined;
  readonly response = new Promise<Response>((resolve) => {
    this.release = resolve;
  });

  come(response: Response): void {
    this.release(response);
  }
}

const EMPTY: Record<string, unknown> = {
  health: { status: "ok", problems: [], lostWorkers: 0 },
  executors: [],
  workers: [],
  schedules: [],
  audit: [],
  runs: [],
  "runs/facets": [],
  versions: [],
  views: [],
  alerts: { alerts: [], open: 0, rules: [], targets: [] },
  inbox: { count: 0, exact: true, entries: [] },
  activity: { since: "2026-01-01T00:00:00.000Z", until: "2026-01-02T00:00:00.000Z", bucketMs: 900_000, buckets: [] },
};

export class FakeServer {
  readonly asked: Asked[] = [];
  private readonly handlers = new Map<string, Handler>();

  constructor() {
    vi.stubGlobal("fetch", (input: string | URL | Request, init?: RequestInit) => this.take(input, init));
  }

  /** Answer ``GET runs``, say, from now on. */
  on(route: string, handler: Handler | object): this {
    this.handlers.set(route, typeof handler === "function" ? (handler as Handler) : () => json(handler));
    return this;
  }

  /** How often a route was asked for. */
  count(route: string): number {
    return this.asked.filter((asked) => `${asked.method} ${asked.path}` === route).length;
  }

  last(route: string): Asked | undefined {
    return this.asked.findLast((asked) => `${asked.method} ${asked.path}` === route);
  }

  private async take(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = input instanceof Request ? input : new Request(new URL(String(input), window.location.href), init);
    const url = new URL(request.url);
    const path = url.pathname.replace(/^.*?\/api\//, "");
    const text = request.method === "POST" ? await request.clone().text() : "";
    const asked: Asked = {
      method: request.method,
      path,
      query: url.searchParams,
      body: text ? JSON.parse(text) : null,
      text,
      headers: request.headers,
    };
    this.asked.push(asked);
    const handler = this.handlers.get(`${request.method} ${path}`);
    if (handler) return abortable(Promise.resolve(handler(asked)), init?.signal ?? request.signal);
    if (request.method === "GET" && path in EMPTY) return json(EMPTY[path]);
    return problem(404, `The test's server has no ${request.method} ${path}.`);
  }
}

function abortable(answer: Promise<Response>, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const abort = (): void =>
      reject(signal.reason instanceof Error ? signal.reason : new DOMException("Aborted", "AbortError"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    answer.then(resolve, reject);
  });
}
