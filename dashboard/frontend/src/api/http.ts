/**
 * One door to the API, typed from its OpenAPI document: a renamed parameter or field does not compile.
 * Every refusal becomes an ApiError with the problem's own sentence; every request ends, one way or the other.
 */
import { config } from "../config";
import { makeCell } from "../lib/cell";
import { ApiError, SignedOutError, UnreachableError } from "../lib/errors";
import { bodyText } from "../lib/exactJson";
import { runSegment } from "../lib/runSegment";
import { nextCursor } from "./link";
import type { components, paths } from "./openapi";

type Method = "get" | "post";
type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;
/** The paths that have a method. */
export type PathWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, object> ? P : never;
}[keyof paths];

type Part<O, Kind extends string> = O extends { parameters: { [K in Kind]: infer T } } ? T : never;
type InPath<O> = [Part<O, "path">] extends [never] ? { path?: never } : { path: Part<O, "path"> };
type InQuery<O> = O extends { parameters: { query?: infer T } }
  ? [T] extends [never]
    ? object
    : { query?: T }
  : object;
type InBody<O> = O extends { requestBody: { content: { "application/json": infer T } } }
  ? { body: T }
  : O extends { requestBody?: { content: { "application/json": infer T } } }
    ? { body?: T }
    : object;

export interface Extra {
  signal?: AbortSignal;
  headers?: Record<string, string>;
  timeoutMs?: number;
}
export type RequestOf<P extends keyof paths, M extends Method> = InPath<Operation<P, M>> &
  InQuery<Operation<P, M>> &
  InBody<Operation<P, M>> &
  Extra;
type JsonOf<Answer> = Answer extends { content: { "application/json": infer T } } ? T : never;
type Answers<O> = O extends { responses: infer R } ? R : never;
export type AnswerOf<P extends keyof paths, M extends Method> = {
  [Status in keyof Answers<Operation<P, M>>]: JsonOf<Answers<Operation<P, M>>[Status]>;
}[keyof Answers<Operation<P, M>>];

type Problem = components["schemas"]["ProblemDocument"];
type Scalar = string | number | boolean;
export type Query = Record<string, Scalar | readonly Scalar[] | undefined>;

/** Reads answer in milliseconds; a minute's search is bounded by the server itself. */
const READ_TIMEOUT_MS = 30_000;
/** An action may wait for a lock and for the engine. */
const ACTION_TIMEOUT_MS = 60_000;

/** True while the last answer came from a sign-in page in front of this app. */
export const signedOut = makeCell(false);

export function queryText(query: Query | undefined): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (Array.isArray(value)) for (const entry of value as readonly Scalar[]) params.append(key, String(entry));
    else if (value !== undefined) params.set(key, String(value));
  }
  return params.size > 0 ? `?${params}` : "";
}

function filled(name: string, part: string): string {
  return name === "runId" ? runSegment(part) : encodeURIComponent(part);
}

/** The address of a route: "/runs/{runId}" with its parts filled in. */
export function apiUrl(path: string, parts: Record<string, Scalar> = {}, query?: Query): string {
  const whole = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => filled(name, String(parts[name] ?? "")));
  return `${config.api}${whole}${queryText(query)}`;
}

function isProblem(value: unknown): value is Partial<Problem> {
  return typeof value === "object" && value !== null && ("detail" in value || "title" in value);
}

function isHtml(response: Response): boolean {
  return response.headers.get("Content-Type")?.includes("text/html") ?? false;
}

/** Retry-After in milliseconds: seconds, or a date. */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null || header.trim() === "") return null;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

async function refusal(response: Response): Promise<ApiError> {
  if (response.status === 401) return new SignedOutError();
  const body: unknown = await response.json().catch(() => null);
  const wait = retryAfterMs(response.headers.get("Retry-After"), Date.now());
  const fallback = `The server answered ${response.status} without saying why.`;
  if (isProblem(body)) {
    const title = body.title ?? response.statusText;
    return new ApiError(response.status, title, body.detail ?? (title || fallback), body, wait);
  }
  const reason = typeof body === "object" && body !== null && "reason" in body ? String(body.reason) : fallback;
  return new ApiError(response.status, response.statusText || `HTTP ${response.status}`, reason, body, wait);
}

/** What can end a request before its answer is whole. */
function deadline(
  signal: AbortSignal | undefined,
  timeoutMs: number,
): { signal: AbortSignal; late: () => boolean; clear: () => void } {
  const controller = new AbortController();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    controller.abort();
  }, timeoutMs);
  const abort = (): void => controller.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    late: () => late,
    clear: () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    },
  };
}

export interface Sending {
  init?: RequestInit;
  signal?: AbortSignal | undefined;
  timeoutMs: number;
}

/**
 * Send a request and see to its end, ``take`` included: a body that trickles for ever ends too.
 *
 * Raises: SignedOutError for a redirect or a page, UnreachableError for no answer, ApiError for a refusal.
 */
export async function send<T>(url: string, sending: Sending, take: (response: Response) => Promise<T>): Promise<T> {
  const { signal, timeoutMs, init } = sending;
  const end = deadline(signal, timeoutMs);
  try {
    // No route of ours redirects: where one does, a proxy wants its sign-in page shown.
    const response = await fetch(url, { credentials: "same-origin", redirect: "manual", ...init, signal: end.signal });
    const away = response.type === "opaqueredirect" || (response.ok && isHtml(response));
    const error = away ? new SignedOutError() : response.ok ? null : await refusal(response);
    signedOut.set(error instanceof SignedOutError);
    if (error) throw error;
    return await take(response);
  } catch (cause) {
    if (cause instanceof ApiError || signal?.aborted) throw cause;
    if (end.late())
      throw new UnreachableError(`The server did not answer within ${timeoutMs / 1000} s. Try again, or ask for less.`);
    if (cause instanceof SyntaxError)
      throw new ApiError(502, "Not an answer", "What came is not an answer of this API. A proxy may have changed it.");
    throw new UnreachableError("Check that the server is running. This page keeps trying.");
  } finally {
    end.clear();
  }
}

type Loose = Extra & { path?: Record<string, Scalar>; query?: Query; body?: unknown };

function read<T>(path: string, request: Loose, take: (response: Response) => Promise<T>): Promise<T> {
  const init = { headers: { Accept: "application/json", ...request.headers } };
  return send(
    apiUrl(path, request.path, request.query),
    { init, signal: request.signal, timeoutMs: request.timeoutMs ?? READ_TIMEOUT_MS },
    take,
  );
}

/** Read a route. */
export function get<P extends PathWith<"get">>(path: P, request: RequestOf<P, "get">): Promise<AnswerOf<P, "get">> {
  return read(path, request as Loose, async (response) => (await response.json()) as AnswerOf<P, "get">);
}

/** Read a route's JSON as the text that came, with what its headers say of it. */
export function getText<P extends PathWith<"get">>(
  path: P,
  request: RequestOf<P, "get">,
): Promise<{ text: string; headers: Headers }> {
  return read(path, request as Loose, async (response) => ({ text: await response.text(), headers: response.headers }));
}

export interface Page<Row> {
  rows: Row[];
  next: string | null;
  /** How far back the server looked before its time budget ended, if it stopped early. */
  scannedTo: string | null;
}

type RowOf<List> = List extends (infer Row)[] ? Row : never;

/** Read one page of a list that names its next page in a Link header. */
export function getPage<P extends PathWith<"get">>(
  path: P,
  request: RequestOf<P, "get">,
): Promise<Page<RowOf<AnswerOf<P, "get">>>> {
  return read(path, request as Loose, async (response) => ({
    rows: (await response.json()) as RowOf<AnswerOf<P, "get">>[],
    next: nextCursor(response.headers.get("Link")),
    scannedTo: response.headers.get("X-Scanned-To"),
  }));
}

/** Read a page of an answer that is not a list, but that names its next page in a Link header as lists do. */
export function getLinked<P extends PathWith<"get">>(
  path: P,
  request: RequestOf<P, "get">,
): Promise<{ answer: AnswerOf<P, "get">; next: string | null }> {
  return read(path, request as Loose, async (response) => ({
    answer: (await response.json()) as AnswerOf<P, "get">,
    next: nextCursor(response.headers.get("Link")),
  }));
}

/** Do something. Never repeated by itself: the person who pressed decides. */
export function post<P extends PathWith<"post">>(path: P, request: RequestOf<P, "post">): Promise<AnswerOf<P, "post">> {
  const { body = {}, headers, path: parts, query, timeoutMs = ACTION_TIMEOUT_MS, signal } = request as Loose;
  const init = {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", ...headers },
    body: bodyText(body),
  };
  return send(apiUrl(path, parts, query), { init, signal, timeoutMs }, async (response) => {
    const text = await response.text();
    return (text ? JSON.parse(text) : null) as AnswerOf<P, "post">;
  });
}
