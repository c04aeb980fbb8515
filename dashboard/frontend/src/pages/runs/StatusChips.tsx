import { useMemo } from "react";
import { type Facet, RUN_STATUSES, type RunStatus } from "../../api/wire";
import type { RunFilter } from "../../lib/filter";
import { STATUS } from "../../lib/status";
import { formatCount } from "../../lib/time";
import { StatusIcon } from "../../ui/icons";

const ALWAYS: ReadonlySet<RunStatus> = new Set(["running", "suspended", "pending", "failed", "completed"]);

interface Props {
  facets: Facet[] | undefined;
  filter: RunFilter;
  onChange: (next: RunFilter) => void;
}

/** How many runs are in each state; each chip narrows the list to its state, several to any of theirs. */
export function StatusChips({ facets, filter, onChange }: Props) {
  const counts = useMemo(() => {
    const all = new Map<RunStatus, { count: number; exact: boolean }>();
    for (const facet of facets ?? []) {
      const old = all.get(facet.status);
      all.set(facet.status, { count: (old?.count ?? 0) + facet.count, exact: (old?.exact ?? true) && facet.exact });
    }
    return all;
  }, [facets]);
  const toggle = (status: RunStatus): void => {
    const on = filter.status.includes(status);
    onChange({ ...filter, status: on ? filter.status.filter((s) => s !== status) : [...filter.status, status] });
  };
  const shown = RUN_STATUSES.filter(
    (s) => ALWAYS.has(s) || filter.status.includes(s) || (counts.get(s)?.count ?? 0) > 0,
  );
  return (
    <div className="chips" role="group" aria-label="Status">
      <button
        type="button"
        className="chip"
        aria-pressed={filter.status.length === 0}
        onClick={() => onChange({ ...filter, status: [] })}
      >
        All
      </button>
      {shown.map((status) => {
        const count = counts.get(status);
        return (
          <button
            key={status}
            type="button"
            className="chip"
            data-status={status}
            data-none={facets && !count?.count ? true : undefined}
            aria-pressed={filter.status.includes(status)}
            title={STATUS[status].hint}
            onClick={() => toggle(status)}
          >
            <StatusIcon status={status} size={14} />
            {STATUS[status].label}
            <span className="chip-count">
              {facets ? `${formatCount(count?.count ?? 0)}${count && !count.exact ? "+" : ""}` : "·"}
            </span>
          </button>
        );
      })}
    </div>
  );
}
