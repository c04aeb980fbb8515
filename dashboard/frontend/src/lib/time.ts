/** Times and durations as people read them. Pure, but for the zone that the reader chose. */
import { zone } from "./zone";

export function parseTime(iso: string | null | undefined): number | null {
  if (!iso) return null;
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? null : ms;
}

const two = (n: number): string => String(n).padStart(2, "0");

/** 840 ms, 1.24 s, 12.4 s, 3m 05s, 1 h 57 m, 3 d 4 h. The command line says the same: dashboard/client/times.py. */
export function formatDuration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  const value = Math.max(0, ms);
  if (value < 999.5) return `${Math.round(value)} ms`;
  // Rounded as whole numbers: a float's half is now above, now below it, and toFixed shows which.
  if (value < 9_995) return `${(Math.round(value / 10) / 100).toFixed(2)} s`;
  if (value < 59_950) return `${(Math.round(value / 100) / 10).toFixed(1)} s`;
  const seconds = Math.round(value / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long a run took. Some stores keep runs in whole seconds: no decimals that nobody measured. */
export function formatRunDuration(ms: number): string {
  if (ms === 0) return "< 1 s";
  return ms % 1000 === 0 && ms < 60_000 ? `${ms / 1000} s` : formatDuration(ms);
}

/** A duration that keeps growing, without the flicker of decimals. */
export function formatGrowing(ms: number): string {
  if (ms < 60_000) return `${Math.max(0, Math.floor(ms / 1000))} s`;
  return formatDuration(ms);
}

/** "now", "12s ago", "4m ago", "3h ago", "5d ago"; for times ahead "in 4m", and two units from an hour on. */
export function formatAgo(at: number, now: number): string {
  const delta = now - at;
  const size = Math.abs(delta);
  if (size < 1500) return "now";
  if (delta < 0 && size >= 3_600_000) return `in ${formatDuration(size)}`;
  const text =
    size < 60_000
      ? `${Math.floor(size / 1000)}s`
      : size < 3_600_000
        ? `${Math.floor(size / 60_000)}m`
        : size < 86_400_000
          ? `${Math.floor(size / 3_600_000)}h`
          : `${Math.floor(size / 86_400_000)}d`;
  return delta >= 0 ? `${text} ago` : `in ${text}`;
}

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
const DAY = { month: "short", day: "numeric" } as const;

/** A format in the reader's zone; one is made for each zone, for making is what costs. */
function inZone(options: Intl.DateTimeFormatOptions): (at: number) => string {
  const made = {
    local: new Intl.DateTimeFormat(undefined, options),
    utc: new Intl.DateTimeFormat(undefined, { ...options, timeZone: "UTC" }),
  };
  return (at) => made[zone.get()].format(at);
}

const clock = inZone(TIME);
const dayClock = inZone({ ...DAY, ...TIME });
const yearClock = inZone({ year: "numeric", ...DAY, ...TIME });
const day = inZone({ dateStyle: "short" });
const year = inZone({ year: "numeric" });

/**
 * 14:02:09 on the day of ``now``, "Mar 4, 14:02:09" on another one, with its year where that is not ``today``'s.
 * ``now`` may be long past: the end of a range that is looked at.
 */
export function formatClock(at: number, now: number, today = Date.now()): string {
  if (year(at) !== year(today)) return yearClock(at);
  return day(at) === day(now) ? clock(at) : dayClock(at);
}

/** 14:02:09.123: beside others of the same day. */
export function formatInstant(at: number): string {
  return `${clock(at)}.${String(Math.floor(at) % 1000).padStart(3, "0")}`;
}

/** Exact, for tooltips. */
export function formatExact(iso: string | null | undefined): string {
  const at = parseTime(iso);
  return at === null ? "" : `${new Date(at).toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

const RELATIVE = /^(\d+)(m|h|d)$/;
const UNIT_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "24h" stays a moving window in the address; the server gets an instant. */
export function resolveSince(value: string, now: number): string {
  const match = RELATIVE.exec(value);
  if (!match) return value;
  return new Date(now - Number(match[1]) * (UNIT_MS[match[2] ?? "m"] ?? 60_000)).toISOString();
}

/** Ticks for a time axis: round steps, at most ``most`` of them. */
export function axisTicks(fromMs: number, toMs: number, most: number): { stepMs: number; ticks: number[] } {
  const span = Math.max(1, toMs - fromMs);
  const steps = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1800e3,
    3600e3, 7200e3, 10800e3, 21600e3, 43200e3, 86400e3, 172800e3, 604800e3, 1209600e3, 2592000e3, 7776000e3, 31536000e3,
  ];
  const stepMs = steps.find((step) => span / step <= most) ?? span;
  const ticks: number[] = [];
  for (let at = Math.ceil(fromMs / stepMs) * stepMs; at <= toMs; at += stepMs) ticks.push(at);
  return { stepMs, ticks };
}

/** A tick's label: an offset from the run's start. */
export function formatOffset(ms: number): string {
  if (ms === 0) return "0";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(2))} s`;
  if (ms < 3_600_000) {
    const seconds = Math.round(ms / 1000);
    return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  }
  if (ms < 86_400_000) {
    const minutes = Math.round(ms / 60_000);
    return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)}h ${two(minutes % 60)}`;
  }
  const hours = Math.round(ms / 3_600_000);
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(bytes < 10_240 ? 1 : 0)} kB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

export function formatCount(n: number): string {
  if (n < 10_000) return n.toLocaleString("en-US");
  if (n < 1_000_000) return `${(n / 1000).toFixed(n < 100_000 ? 1 : 0)}k`;
  return `${(n / 1_000_000).toFixed(1)}M`;
}

/** A count, or what is known of it: "150", "150 or more". A lower bound is never shown as a total. */
export function formatBound(n: number, exact: boolean): string {
  return exact ? formatCount(n) : `${formatCount(n)} or more`;
}
