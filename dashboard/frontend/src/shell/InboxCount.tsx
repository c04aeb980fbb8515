import { useQuery } from "@tanstack/react-query";
import { inboxCountQuery } from "../api/queries";
import { formatCount } from "../lib/time";

/** How much waits for a person, beside the inbox's name. */
export function InboxCount() {
  const { data } = useQuery(inboxCountQuery);
  if (!data?.count) return null;
  const text = `${formatCount(data.count)}${data.exact ? "" : "+"}`;
  return (
    <span className="nav-count">
      <span className="sr-only">, </span>
      {text}
      <span className="sr-only"> waiting</span>
    </span>
  );
}
