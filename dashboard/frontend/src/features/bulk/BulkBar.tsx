import type { BulkAction } from "../../api/actions";
import type { Facet, RunRow } from "../../api/wire";
import { EMPTY_FILTER, isEmptyFilter, type RunFilter } from "../../lib/filter";
import { formatBound } from "../../lib/time";
import { offers, whyReadOnly } from "../../shell/access";
import { Button } from "../../ui/Button";
import { openBulk } from "./openBulk";
import { countOf, DONE, touches, VERB } from "./words";
import "./bulk.css";

const ACTIONS = ["retry", "cancel"] as const satisfies readonly BulkAction[];
const ICON = { retry: "retry", cancel: "stop" } as const;

interface Props {
  filter: RunFilter;
  selected: ReadonlySet<string>;
  rows: RunRow[];
  facets: Facet[] | undefined;
  onClear: () => void;
}

/** Acts on the runs that are ticked, or on every run of the filter after a look at what that means. */
export function BulkBar({ filter, selected, rows, facets, onClear }: Props) {
  if (selected.size > 0) {
    return (
      <Bar>
        <OfSelected rows={rows.filter((row) => selected.has(row.id))} ids={[...selected]} onClear={onClear} />
      </Bar>
    );
  }
  if (isEmptyFilter(filter)) return null;
  const possible = ACTIONS.filter((action) => countOf(facets, filter, (status) => touches(action, status)).count > 0);
  if (possible.length === 0) return null;
  const total = countOf(facets, filter, () => true);
  return (
    <Bar>
      <span className="muted">
        {formatBound(total.count, total.exact)} {total.count === 1 && total.exact ? "run" : "runs"}
        <span className="wide-only"> in this filter</span>
      </span>
      {possible.map((action) => (
        <Button
          key={action}
          tone="quiet"
          icon={ICON[action]}
          disabled={whyReadOnly() !== undefined}
          title={whyReadOnly()}
          onClick={() => openBulk({ action, filter })}
        >
          {`${VERB[action]} all…`}
        </Button>
      ))}
    </Bar>
  );
}

function Bar({ children }: { children: React.ReactNode }) {
  return (
    <div className="bulkbar" role="toolbar" aria-label="Actions on many runs">
      {children}
    </div>
  );
}

function OfSelected({ rows, ids, onClear }: { rows: RunRow[]; ids: readonly string[]; onClear: () => void }) {
  return (
    <>
      <strong>{ids.length} selected</strong>
      {ACTIONS.map((action) => {
        const able = rows.filter((row) => offers(row, action));
        const none = able.length === 0 ? `None of them can be ${DONE[action]}` : undefined;
        const why = whyReadOnly() ?? none;
        return (
          <Button
            key={action}
            icon={ICON[action]}
            disabled={why !== undefined}
            title={why}
            onClick={() => openBulk({ action, filter: EMPTY_FILTER, ids, onDone: onClear })}
          >
            {`${VERB[action]} ${able.length}…`}
          </Button>
        );
      })}
      <Button tone="quiet" onClick={onClear}>
        Clear
      </Button>
    </>
  );
}
