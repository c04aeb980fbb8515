/**
 * A run's id as a segment of a path, and back. An id that servers or proxies would read otherwise (dots between
 * slashes, control characters, the name of a route) goes as `~x` and its UTF-8 bytes in hex; see docs/contract.md. Pure.
 */
const HEX = /^~x((?:[0-9a-f]{2})+)$/i;
const ROUTES = new Set(["by-id", "facets"]);

function fitsAPath(id: string): boolean {
  const hasDots = id.split(/[/\\]/).some((part) => part === "." || part === "..");
  return !(ROUTES.has(id) || hasDots || HEX.test(id) || /[\p{C}\p{Zl}\p{Zp}]/u.test(id));
}

/** The segment that every route of a run takes for its id. */
export function runSegment(id: string): string {
  if (fitsAPath(id)) return encodeURIComponent(id);
  return `~x${Array.from(new TextEncoder().encode(id), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** The id that a decoded segment means: itself, unless it is the hex form of one. */
export function runIdOf(segment: string): string {
  const hex = HEX.exec(segment)?.[1];
  if (hex === undefined) return segment;
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return segment;
  }
}
