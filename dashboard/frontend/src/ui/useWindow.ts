/** Which rows of a long list are near the eye. Rows have one height, so that no row needs to be measured. */
import { type RefObject, useCallback, useEffect, useState } from "react";

const OVERSCAN = 12;

export interface Window {
  /** Indices to draw: from, up to but without ``to``. */
  from: number;
  to: number;
  /** Of the whole list, for the element that holds the rows. */
  height: number;
  /** Bring a row into view, moving no further than needed. */
  show: (index: number) => void;
}

interface Seen {
  first: number;
  count: number;
}

/**
 * ``offset`` is what stands above the rows inside the scroller, such as a sticky heading.
 *
 *     const { from, to, height } = useWindow(scroller, rows.length, 38);
 *     <div style={{ height }}>{rows.slice(from, to).map((row, index) => <Row key={row.id} top={(from + index) * 38} />)}</div>
 */
export function useWindow(ref: RefObject<HTMLElement | null>, count: number, rowPx: number, offset = 0): Window {
  const [seen, setSeen] = useState<Seen>({ first: 0, count: 40 });
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const look = (): void => {
      const first = Math.max(0, Math.floor((element.scrollTop - offset) / rowPx));
      const shown = Math.ceil(element.clientHeight / rowPx) + 1;
      setSeen((old) => (old.first === first && old.count === shown ? old : { first, count: shown }));
    };
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, [ref, rowPx, offset]);
  const show = useCallback(
    (index: number) => {
      const element = ref.current;
      if (!element) return;
      const top = index * rowPx;
      const bottom = top + rowPx + offset;
      if (top < element.scrollTop) element.scrollTop = top;
      else if (bottom > element.scrollTop + element.clientHeight) element.scrollTop = bottom - element.clientHeight;
    },
    [ref, rowPx, offset],
  );
  const from = Math.max(0, Math.min(seen.first, count) - OVERSCAN);
  const to = Math.min(count, seen.first + seen.count + OVERSCAN);
  return { from, to, height: count * rowPx, show };
}
