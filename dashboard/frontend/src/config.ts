/** The settings that the server puts into the page. Read once; never fetched. */

export type Role = "viewer" | "operator";

export interface Config {
  /** Where the blueprint is mounted, without a trailing slash: "" or "/durable". */
  base: string;
  /** Where the JSON routes are: "/durable/api". */
  api: string;
  role: Role;
  /** Template of a link to the trace backend with {traceId} and maybe {spanId}, if configured. */
  traceUrl: string | null;
  version: string;
  actor: string;
  title: string;
  namespace: string;
  capabilities: string[];
  /** False where the web server carries no live streams: trying one would only be refused. */
  streams: boolean;
}

function stripSlash(path: string): string {
  return path.replace(/\/+$/, "");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function parseConfig(text: string | null | undefined): Config {
  let raw: unknown = {};
  try {
    raw = JSON.parse(text ?? "{}");
  } catch {
    raw = {};
  }
  const data = isRecord(raw) ? raw : {};
  const base = typeof data.base === "string" ? stripSlash(data.base) : "";
  return {
    base,
    api: typeof data.api === "string" ? stripSlash(data.api) : `${base}/api`,
    role: data.role === "viewer" ? "viewer" : "operator",
    traceUrl: typeof data.traceUrl === "string" && data.traceUrl !== "" ? data.traceUrl : null,
    actor: typeof data.actor === "string" ? data.actor : "",
    title: typeof data.title === "string" && data.title !== "" ? data.title : "Durable",
    namespace: typeof data.namespace === "string" ? data.namespace : "",
    version: typeof data.version === "string" ? data.version : "",
    capabilities: Array.isArray(data.capabilities) ? data.capabilities.map(String) : [],
    streams: !Array.isArray(data.capabilities) || data.capabilities.includes("stream"),
  };
}

export const config: Config = parseConfig(document.getElementById("durable-config")?.textContent);
