import type { LiveState } from "../live/stream";
import { useLive } from "../live/state";

const TEXT: Record<LiveState, string> = {
  closed: "",
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  offline: "Offline",
};
const HINT: Record<LiveState, string> = {
  closed: "",
  connecting: "Opening the live connection",
  live: "Changes appear as they happen",
  polling: "No live connection here (a proxy or the server may not allow it): looking every 3 seconds",
  offline: "The server cannot be reached; reconnecting",
};

/** Whether what is shown is kept up to date, and how. */
export function LiveDot() {
  const live = useLive();
  if (live === "closed") return null;
  return (
    <span className="live" data-live={live} title={HINT[live]} role="status">
      <span className="live-dot" aria-hidden="true" />
      {TEXT[live]}
    </span>
  );
}
