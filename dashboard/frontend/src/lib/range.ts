/** A range of time as the address keeps it: from a moment or a moving window ("24h"), to a moment or now. */
import { formatClock, parseTime, resolveSince } from "./time";
import { zone } from "./zone";

export interface TimeRange {
  /** "" for any time. */
  since: string;
  /** "" for now. */
  until: string;
}

export const ANY_TIME: TimeRange = { since: "", until: "" };

export const PRESETS: readonly [since: string, label: string][] = [
  ["", "Any time"],
  ["15m", "Last 15 min"],
  ["1h", "Last hour"],
  ["24h", "Last 24 h"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
];

/** "Last 24 h", "Nov 28, 10:00:00 – 12:00:00", "until 12:00:00": in the reader's zone. */
export function rangeLabel({ since, until }: TimeRange, now: number): string {
  const preset = PRESETS.find(([id]) => id === since);
  const words = (text: string): string => {
    const at = parseTime(text);
    return at === null ? text : formatClock(at, now);
  };
  if (until === "") return preset ? preset[1] : `Since ${words(since)}`;
  return since === "" ? `Until ${words(until)}` : `${words(resolveSince(since, now))} – ${words(until)}`;
}

const two = (n: number): string => String(n).padStart(2, "0");

/** What a field of date and time holds for a moment, in the reader's zone. */
export function toField(text: string, now: number): string {
  const at = parseTime(resolveSince(text, now));
  if (at === null) return "";
  if (zone.get() === "utc") return new Date(at).toISOString().slice(0, 19);
  const date = new Date(at);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The moment that a field of date and time says; "" for none. */
export function fromField(value: string): string {
  const at = Date.parse(zone.get() === "utc" && value !== "" ? `${value}Z` : value);
  return Number.isNaN(at) ? "" : new Date(at).toISOString();
}

/** The time around a moment, so much before and after. */
export function around(moment: string, ms: number): TimeRange | null {
  const at = parseTime(moment);
  if (at === null) return null;
  return { since: new Date(at - ms).toISOString(), until: new Date(at + ms).toISOString() };
}
