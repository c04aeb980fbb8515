/** RFC 8288. Pure. */

/** The cursor of rel="next" in a Link header (RFC 8288), or null on the last page. */
export function nextCursor(link: string | null): string | null {
  for (const part of (link ?? "").split(/,\s*(?=<)/)) {
    const match = /<([^>]*)>\s*;.*rel="?next"?/.exec(part);
    if (!match) continue;
    const query = (match[1] ?? "").split("?")[1];
    return query ? new URLSearchParams(query).get("cursor") : null;
  }
  return null;
}
