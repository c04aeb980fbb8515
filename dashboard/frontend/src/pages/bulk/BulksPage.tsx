import { useInfiniteQuery } from "@tanstack/react-query";
import { bulksQuery } from "../../api/queries";
import type { BulkView } from "../../api/wire";
import { bulkTitle } from "../../features/bulk/words";
import { filterFromRecord, filterWords } from "../../lib/filter";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Ago } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import { Empty, Skeleton } from "../../ui/Notice";
import { QueryView } from "../../ui/QueryView";

/** Every bulk action, newest first; each leads to what became of it. */
export function BulksPage() {
  const query = useInfiniteQuery(bulksQuery);
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Bulk actions</h1>
        <p className="muted">One action on many runs: who asked for it, on which runs, and what became of them.</p>
      </header>
      <QueryView
        query={{ ...query, data: query.data?.pages.flat() }}
        what="The bulk actions"
        pending={<Skeleton rows={6} />}
        empty={{
          when: (all) => all.length === 0,
          show: (
            <Empty title="No bulk action yet" icon="retry">
              <p>Tick runs in the list, or narrow it by a filter, then retry or cancel them together.</p>
              <Link to={links.runs({ status: ["failed"] })} className="btn">
                Failed runs
              </Link>
            </Empty>
          ),
        }}
      >
        {(all) => <Bulks bulks={all} />}
      </QueryView>
      {query.hasNextPage ? (
        <Button className="older" busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Older bulk actions
        </Button>
      ) : null}
    </div>
  );
}

function Bulks({ bulks }: { bulks: readonly BulkView[] }) {
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Bulk action</th>
          <th>Runs</th>
          <th>By</th>
          <th className="num">Started</th>
        </tr>
      </thead>
      <tbody>
        {bulks.map((bulk) => (
          <tr key={bulk.bulkId}>
            <td className="nowrap">
              <Link to={links.bulk(bulk.bulkId)}>
                <strong>{bulkTitle(bulk.action, bulk.matched ?? 0)}</strong>
              </Link>
            </td>
            <td data-label="Runs">{whichRuns(bulk)}</td>
            <td data-label="By">{bulk.actor}</td>
            <td className="num nowrap">{bulk.startedAt ? <Ago at={bulk.startedAt} /> : null}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function whichRuns({ filter, params }: BulkView): string {
  const words = filter ? filterWords(filterFromRecord(filter)) : null;
  const canary = params?.canary === true ? ", a part first" : "";
  return `${words ?? (params?.ids === undefined ? "every run" : "ticked ones")}${canary}`;
}
