/** One ticking clock for the whole page; it rests while nobody looks. */
import { useSyncExternalStore } from "react";

interface Ticker {
  subscribe: (listener: () => void) => () => void;
  read: () => number;
}

export function makeTicker(everyMs: number): Ticker {
  let now = Date.now();
  let timer: number | undefined;
  const listeners = new Set<() => void>();
  const tick = (): void => {
    if (document.visibilityState === "hidden") return;
    now = Date.now();
    for (const listener of listeners) listener();
  };
  return {
    subscribe: (listener) => {
      if (listeners.size === 0) {
        now = Date.now();
        timer = window.setInterval(tick, everyMs);
      }
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) window.clearInterval(timer);
      };
    },
    read: () => {
      // Resting, it does not tick: the first reader gets the present time, not that of the last visit.
      if (listeners.size === 0 && Date.now() - now >= everyMs) now = Date.now();
      return now;
    },
  };
}

const second = makeTicker(1000);
const quick = makeTicker(200);
const still: Ticker = { subscribe: () => () => undefined, read: () => 0 };

/** Wall time, once a second; a constant 0 when not asked for. */
export function useNow(active = true): number {
  const ticker = active ? second : still;
  return useSyncExternalStore(ticker.subscribe, ticker.read);
}

/** Wall time five times a second while something grows; else a constant 0, and nothing is drawn again. */
export function useQuickNow(active: boolean): number {
  const ticker = active ? quick : still;
  return useSyncExternalStore(ticker.subscribe, ticker.read);
}
