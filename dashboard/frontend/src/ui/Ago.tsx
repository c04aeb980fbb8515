import { formatAgo, formatClock, formatExact, formatGrowing, parseTime } from "../lib/time";
import { useNow } from "../lib/clock";
import { useZone } from "../lib/zone";

/** "4m ago", exact on hover. */
export function Ago({ at }: { at: string | undefined | null }) {
  const now = useNow();
  const ms = parseTime(at);
  if (ms === null) return <span className="muted">–</span>;
  return (
    <time dateTime={at ?? ""} title={formatExact(at)}>
      {formatAgo(ms, now)}
    </time>
  );
}

/** "14:02:09", with the day when it is another; exact on hover. */
export function Clock({ at }: { at: string }) {
  const now = useNow();
  useZone();
  return (
    <time dateTime={at} title={formatExact(at)}>
      {formatClock(parseTime(at) ?? now, now)}
    </time>
  );
}

/** A duration that grows while something is under way. */
export function Since({ at }: { at: string }) {
  const now = useNow();
  return <>{formatGrowing(now - (parseTime(at) ?? now))}</>;
}
