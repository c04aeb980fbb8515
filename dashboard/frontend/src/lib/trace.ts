/** Links to the trace backend. Pure. */

/** Fill a template's {traceId}/{trace_id} and {spanId}/{span_id}; only http(s) results are links. */
export function traceLink(template: string | null | undefined, traceId: string, spanId = ""): string | null {
  if (!template) return null;
  const url = template
    .replaceAll(/\{trace_?id\}/gi, encodeURIComponent(traceId))
    .replaceAll(/\{span_?id\}/gi, encodeURIComponent(spanId));
  return /^https?:\/\//i.test(url) || url.startsWith("/") ? url : null;
}
