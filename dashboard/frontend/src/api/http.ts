/** One door to the API. Every refusal becomes an ApiError with the problem's own sentence. */
import { config } from "../config";
import { ApiError } from "../lib/errors";
import { nextCursor } from "./link";
import type { Problem } from "./wire";

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && ("detail" in value || "title" in value);
}

async function toError(response: Response): Promise<ApiError> {
  let body: unknown = null;
  try {
    body = await response.json();
  } catch {
    body = null;
  }
  if (isProblem(body)) {
    return new ApiError(response.status, body.title ?? response.statusText, body.detail ?? body.title ?? "", body);
  }
  const reason = typeof body === "object" && body !== null && "reason" in body ? String(body.reason) : null;
  return new ApiError(
    response.status,
    response.statusText || `HTTP ${response.status}`,
    reason ?? `The server answered ${response.status} without saying why.`,
    body,
  );
}

export function apiUrl(path: string, params?: URLSearchParams): string {
  const query = params && params.size > 0 ? `?${params}` : "";
  return `${config.api}/${path}${query}`;
}

async function send(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...init });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError(0, "Offline", "The server cannot be reached. Check that it is running; this page keeps trying.");
  }
  if (!response.ok) throw await toError(response);
  return response;
}

export async function getJson<T>(path: string, params?: URLSearchParams, signal?: AbortSignal): Promise<T> {
  const response = await send(apiUrl(path, params), {
    headers: { Accept: "application/json" },
    signal: signal ?? null,
  });
  return (await response.json()) as T;
}

export async function getPage<T>(
  path: string,
  params: URLSearchParams,
  signal?: AbortSignal,
): Promise<{ rows: T[]; next: string | null; scannedTo: string | null }> {
  const response = await send(apiUrl(path, params), {
    headers: { Accept: "application/json" },
    signal: signal ?? null,
  });
  return {
    rows: (await response.json()) as T[],
    next: nextCursor(response.headers.get("Link")),
    scannedTo: response.headers.get("X-Scanned-To"),
  };
}

export async function postJson<T>(
  path: string,
  body: unknown = {},
  params?: URLSearchParams,
  headers: Record<string, string> = {},
): Promise<T> {
  const response = await send(apiUrl(path, params), {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return (text ? JSON.parse(text) : null) as T;
}
