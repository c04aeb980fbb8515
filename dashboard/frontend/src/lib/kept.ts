/** What this browser remembers of how its reader wants the page. */
import { type Cell, makeCell } from "./cell";

/** A cell whose value outlives the page, in this browser alone. ``read`` makes of what was kept a value, or null. */
export function keptCell<T>(name: string, first: T, read: (kept: unknown) => T | null): Cell<T> {
  const cell = makeCell(stored(name, read) ?? first);
  return {
    ...cell,
    set: (next) => {
      cell.set(next);
      try {
        localStorage.setItem(name, JSON.stringify(next));
      } catch {
        // A browser that keeps nothing still changes this page.
      }
    },
  };
}

function stored<T>(name: string, read: (kept: unknown) => T | null): T | null {
  try {
    const text = localStorage.getItem(name);
    return text === null ? null : read(JSON.parse(text));
  } catch {
    return null;
  }
}
