/** The runs that a run started. Pure. */
import type { RunDetail, RunRow } from "../../api/wire";

/** Their rows. The one place that knows where the wire carries them. */
export function childRows(detail: RunDetail): RunRow[] {
  return detail.childRuns;
}
