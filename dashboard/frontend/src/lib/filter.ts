/** The run list's filter: kept in the page's address, sent to the API. Pure. */
import type { operations } from "../api/openapi";
import { RUN_STATUSES, type RunStatus } from "../api/wire";
import { resolveSince } from "./time";

export interface RunFilter {
  status: RunStatus[];
  workflow: string;
  q: string;
  queue: string;
  executor: string;
  version: string;
  namespace: string;
  parent: string;
  tag: string[];
  attr: string[];
  since: string;
  until: string;
  minDurationMs: string;
  /** A fingerprint: runs whose last failure is of that kind. */
  error: string;
  /** A bulk action that came to the run. */
  bulk: string;
  /** With ``bulk``: how the run stands since. */
  bulkPart: string;
}

export const EMPTY_FILTER: RunFilter = {
  status: [],
  workflow: "",
  q: "",
  queue: "",
  executor: "",
  version: "",
  namespace: "",
  parent: "",
  tag: [],
  attr: [],
  since: "",
  until: "",
  minDurationMs: "",
  error: "",
  bulk: "",
  bulkPart: "",
};

export const TEXT_KEYS = [
  "workflow",
  "q",
  "queue",
  "executor",
  "version",
  "namespace",
  "parent",
  "since",
  "until",
  "minDurationMs",
  "error",
  "bulk",
  "bulkPart",
] as const;
export type TextKey = (typeof TEXT_KEYS)[number];

const known = new Set<string>(RUN_STATUSES);

export function filterFromParams(params: URLSearchParams): RunFilter {
  const filter: RunFilter = { ...EMPTY_FILTER };
  filter.status = params.getAll("status").filter((s): s is RunStatus => known.has(s));
  filter.tag = params.getAll("tag");
  filter.attr = params.getAll("attr");
  for (const key of TEXT_KEYS) filter[key] = params.get(key) ?? "";
  return filter;
}

/** In a fixed order, so that one filter has one address and one cache key. */
export function filterToParams(filter: RunFilter): URLSearchParams {
  const params = new URLSearchParams();
  for (const status of RUN_STATUSES) if (filter.status.includes(status)) params.append("status", status);
  for (const key of TEXT_KEYS) if (filter[key] !== "") params.set(key, filter[key]);
  for (const tag of filter.tag) params.append("tag", tag);
  for (const attr of filter.attr) params.append("attr", attr);
  return params;
}

type RunsQuery = NonNullable<operations["listRuns"]["parameters"]["query"]>;

/** As the API wants it: moving windows become instants, a length a number. */
export function filterToQuery(filter: RunFilter, now: number): RunsQuery {
  const { status, tag, attr, since, minDurationMs, bulkPart, ...text } = filter;
  const set = Object.fromEntries(Object.entries(text).filter(([, value]) => value !== ""));
  return {
    ...set,
    ...(status.length > 0 ? { status: RUN_STATUSES.filter((entry) => status.includes(entry)) } : {}),
    ...(tag.length > 0 ? { tag } : {}),
    ...(attr.length > 0 ? { attr } : {}),
    ...(since !== "" ? { since: resolveSince(since, now) } : {}),
    ...(isBulkPart(bulkPart) && filter.bulk !== "" ? { bulkPart } : {}),
    ...(/^\d+$/.test(minDurationMs) ? { minDurationMs: Number(minDurationMs) } : {}),
  };
}

/** The parts of a bulk action's aftermath, in words. */
export const BULK_PARTS = {
  applied: "acted on",
  left_alone: "left alone",
  succeeded: "succeeded since",
  same_error: "failed again, same error",
  new_error: "failed, new error",
  cancelled: "cancelled",
  open: "still open",
} as const satisfies Record<NonNullable<RunsQuery["bulkPart"]>, string>;
export type BulkPart = keyof typeof BULK_PARTS;

export const isBulkPart = (text: string): text is BulkPart => text in BULK_PARTS;

export function isEmptyFilter(filter: RunFilter): boolean {
  return filterToParams(filter).size === 0;
}

const WORDS: Partial<Record<TextKey, string>> = {
  q: "search",
  parent: "started by",
  namespace: "application",
  minDurationMs: "ms or longer:",
};

/** A filter in a line: "failed · queue mail · amount ≥ 100"; null for none. */
export function filterWords(filter: RunFilter): string | null {
  const parts = [
    ...(filter.status.length > 0 ? [filter.status.join(" or ")] : []),
    ...TEXT_KEYS.flatMap((key) => {
      const value = filter[key];
      if (value === "") return [];
      if (key === "bulkPart") return isBulkPart(value) ? [BULK_PARTS[value]] : [];
      return [`${WORDS[key] ?? key} ${value}`];
    }),
    ...filter.tag.map((tag) => `tag ${tag}`),
    ...filter.attr.map(describeAttr),
  ];
  return parts.length > 0 ? parts.join(" · ") : null;
}

/** The filter that the server keeps of something, as parameters of the run list. */
export function filterFromRecord(record: Readonly<Record<string, unknown>>): RunFilter {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(record)) {
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof one === "string" || typeof one === "number") params.append(key, String(one));
    }
  }
  return filterFromParams(params);
}

const ATTR = /^([\w.-]+)\s*(>=|<=|!=|=|>|<)\s*(.+)$/;
const OPS: Record<string, string> = { "=": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte" };
const SIGNS: Record<string, string> = { eq: "=", ne: "≠", gt: ">", gte: "≥", lt: "<", lte: "≤" };

/** "amount>=100" → "amount:gte:100"; null when it is not a condition. */
export function parseAttr(text: string): string | null {
  const match = ATTR.exec(text.trim());
  if (!match) return null;
  return `${match[1]}:${OPS[match[2] ?? "="]}:${(match[3] ?? "").trim()}`;
}

export function describeAttr(attr: string): string {
  const [key, op, ...rest] = attr.split(":");
  return `${key} ${SIGNS[op ?? ""] ?? op} ${rest.join(":")}`;
}
