/** Links to the trace backend. Pure. */

/** Fill a template's {trace_id}, {span_id} and {run_id}; only http(s) addresses are links. */
export function traceLink(
  template: string | null | undefined,
  traceId: string,
  spanId: string,
  runId: string,
): string | null {
  if (!template) return null;
  const url = template
    .replaceAll(/\{trace_?id\}/gi, encodeURIComponent(traceId))
    .replaceAll(/\{span_?id\}/gi, encodeURIComponent(spanId))
    .replaceAll(/\{run_?id\}/gi, encodeURIComponent(runId));
  return /^https?:\/\//i.test(url) || url.startsWith("/") ? url : null;
}
