import { useQuery } from "@tanstack/react-query";
import { alertsQuery } from "../api/queries";
import { formatCount } from "../lib/time";

/** How many incidents are open, beside the name of their page. */
export function AlertCount() {
  const { data } = useQuery(alertsQuery);
  if (!data?.open) return null;
  return (
    <span className="nav-count" data-tone="bad">
      <span className="sr-only">, </span>
      {formatCount(data.open)}
      <span className="sr-only"> open</span>
    </span>
  );
}
