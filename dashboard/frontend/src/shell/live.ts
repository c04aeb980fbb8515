/** The state of the page's live connection, for the dot in the top bar. */
import { useSyncExternalStore } from "react";
import type { LiveState } from "../api/stream";

let state: LiveState = "connecting";
const listeners = new Set<() => void>();

export function setLive(next: LiveState): void {
  if (next === state) return;
  state = next;
  for (const listener of listeners) listener();
}

export function useLive(): LiveState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}
