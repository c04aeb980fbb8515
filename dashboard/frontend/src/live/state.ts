/** The state of the page's live connection, for the dot in the top bar and the banner. */
import { useSyncExternalStore } from "react";
import type { LiveState } from "./stream";

function makeCell<T>(first: T): { set: (next: T) => void; use: () => T } {
  let value = first;
  const listeners = new Set<() => void>();
  const subscribe = (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    set: (next) => {
      if (next === value) return;
      value = next;
      for (const listener of listeners) listener();
    },
    use: () => useSyncExternalStore(subscribe, () => value),
  };
}

const live = makeCell<LiveState>("closed");
const problem = makeCell<string | null>(null);

export const setLive = live.set;
export const useLive = live.use;
export const setStreamProblem = problem.set;
export const useStreamProblem = problem.use;
