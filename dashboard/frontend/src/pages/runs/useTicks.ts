/** Which runs are ticked. Belongs to the history entry and to one filter: Back finds the ticks, another filter has none. */
import { useCallback, useMemo, useRef } from "react";
import { useEntryState } from "../../shell/router";

interface Kept {
  filter: string;
  ids: readonly string[];
}

export interface Ticks {
  selected: ReadonlySet<string>;
  /** Tick or untick one; with ``through``, all from the one before to it, in the order given. */
  toggle: (id: string, through?: readonly string[]) => void;
  clear: () => void;
}

/** The ids between two, both included, in the order of the list. */
export function between(order: readonly string[], a: string, b: string): string[] {
  const [from, to] = [order.indexOf(a), order.indexOf(b)].sort((x, y) => x - y) as [number, number];
  return from < 0 ? [b] : order.slice(from, to + 1);
}

export function useTicks(filter: string): Ticks {
  const [kept, setKept] = useEntryState<Kept>("ticks", { filter, ids: [] });
  const last = useRef<string | null>(null);
  const ids = kept.filter === filter ? kept.ids : NONE;
  const selected = useMemo(() => new Set(ids), [ids]);
  const toggle = useCallback(
    (id: string, through?: readonly string[]) => {
      const next = new Set(ids);
      const on = !next.has(id);
      const range = through && last.current !== null ? between(through, last.current, id) : [id];
      for (const entry of range) {
        if (on) next.add(entry);
        else next.delete(entry);
      }
      last.current = id;
      setKept({ filter, ids: [...next] });
    },
    [filter, ids, setKept],
  );
  const clear = useCallback(() => setKept({ filter, ids: [] }), [filter, setKept]);
  return { selected, toggle, clear };
}

const NONE: readonly string[] = [];
