import { useCallback, useEffect, useLayoutEffect, useRef } from "react";

/** Run ``work`` soon, then at most once every ``everyMs``, however often it is asked for; the last request is never lost. */
export function useThrottle(work: () => void, everyMs: number, soonMs = 0): () => void {
  const latest = useRef(work);
  useLayoutEffect(() => {
    latest.current = work;
  });
  const state = useRef<{ timer: number | undefined; last: number }>({ timer: undefined, last: 0 });
  useEffect(() => {
    const own = state.current;
    return () => {
      window.clearTimeout(own.timer);
      own.timer = undefined; // hidden and shown again, it works as before
    };
  }, []);
  return useCallback(() => {
    if (state.current.timer !== undefined) return;
    const wait = Math.max(soonMs, state.current.last + everyMs - Date.now());
    state.current.timer = window.setTimeout(() => {
      state.current.timer = undefined;
      state.current.last = Date.now();
      latest.current();
    }, wait);
  }, [everyMs, soonMs]);
}
