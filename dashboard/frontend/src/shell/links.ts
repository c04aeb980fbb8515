/** Every address within the page, made in one place from typed parts. Pure. */
import { EMPTY_FILTER, filterToParams, type RunFilter } from "../lib/filter";
import { ANY_TIME, type TimeRange } from "../lib/range";
import { runSegment } from "../lib/runSegment";
import { type CompareSearch, compareSearch, type RunSearch, runSearch } from "../pages/run/search";

const withQuery = (path: string, params: URLSearchParams): string => (params.size > 0 ? `${path}?${params}` : path);

export const links = {
  runs: (filter: Partial<RunFilter> = {}): string => withQuery("/", filterToParams({ ...EMPTY_FILTER, ...filter })),
  run: (id: string, search: Partial<RunSearch> = {}): string =>
    withQuery(`/runs/${runSegment(id)}`, runSearch.format({ view: null, step: null, of: null, open: null, ...search })),
  /** Beside the last success of its workflow, unless another run or an earlier attempt is named. */
  compare: (id: string, search: Partial<CompareSearch> = {}): string =>
    withQuery(`/runs/${runSegment(id)}/compare`, compareSearch.format({ with: null, attempt: null, ...search })),
  errors: "/errors",
  error: (fingerprint: string, { since, until }: TimeRange = ANY_TIME): string =>
    withQuery(
      `/errors/${encodeURIComponent(fingerprint)}`,
      new URLSearchParams({ ...(since ? { since } : {}), ...(until ? { until } : {}) }),
    ),
  bulks: "/bulk",
  bulk: (bulkId: string): string => `/bulk/${encodeURIComponent(bulkId)}`,
  inbox: "/inbox",
  alerts: "/alerts",
  versions: "/versions",
  workers: "/workers",
  schedules: "/schedules",
  topology: "/topology",
  audit: "/audit",
};
