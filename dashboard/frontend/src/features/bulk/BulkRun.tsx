import { useQuery } from "@tanstack/react-query";
import { bulkQuery } from "../../api/queries";
import { formatCount } from "../../lib/time";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Empty, Skeleton } from "../../ui/Notice";
import { QueryView } from "../../ui/QueryView";

/** The workflow that does a bulk action on many runs. */
export const BULK_WORKFLOW = "durable.bulk";

/** How far a bulk action has come, in the place of steps: its work is other runs. */
export function BulkRun({ id }: { id: string }) {
  const query = useQuery(bulkQuery(id));
  return (
    <QueryView query={query} what="The bulk action" pending={<Skeleton rows={2} />}>
      {({ done, applied, matched }) => (
        <Empty title={`${formatCount(applied)} of ${formatCount(matched ?? done)} runs done`} icon="play">
          <progress max={Math.max(1, matched ?? done)} value={done} aria-label="Progress" />
          <p>
            {formatCount(done)} looked at, {formatCount(done - applied)} left alone.
          </p>
          <Link to={links.bulk(id)} className="btn">
            What became of them
          </Link>
        </Empty>
      )}
    </QueryView>
  );
}
