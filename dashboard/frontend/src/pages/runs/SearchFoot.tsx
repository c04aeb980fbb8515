import { useEffect, useState } from "react";
import { counted } from "../../lib/status";
import type { LiveRuns } from "../../live/useLiveRuns";
import { Clock } from "../../ui/Ago";
import { Button } from "../../ui/Button";

/**
 * The end of the list: all shown, more to come, or a rare filter still being searched for.
 * While nothing is found yet the search continues by itself, until it is stopped.
 */
export function SearchFoot({ runs }: { runs: LiveRuns }) {
  const { rows, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage, isShort, scannedTo } = runs;
  const [stopped, setStopped] = useState(false);
  const partly = isShort && hasNextPage;
  const searching = partly && rows.length === 0 && !stopped && !isFetchNextPageError;
  useEffect(() => {
    if (searching && !isFetchingNextPage) void fetchNextPage();
  }, [searching, isFetchingNextPage, fetchNextPage]);
  const backTo = scannedTo ? (
    <>
      {" back to "}
      <Clock at={scannedTo} />
    </>
  ) : null;
  return (
    <div className="runs-foot" role="status">
      {isFetchNextPageError ? (
        <Button icon="retry" onClick={() => void fetchNextPage()}>
          Older runs could not be loaded. Try again
        </Button>
      ) : searching ? (
        <>
          <span>Searching{backTo}: nothing found yet.</span>
          <Button icon="stop" onClick={() => setStopped(true)}>
            Stop
          </Button>
        </>
      ) : isFetchingNextPage ? (
        "Loading older runs…"
      ) : partly ? (
        <>
          <span>Searched{backTo}. This filter is rare: the rest of the history was not searched.</span>
          <Button
            onClick={() => {
              setStopped(false);
              void fetchNextPage();
            }}
          >
            Search further back
          </Button>
        </>
      ) : runs.isSuccess && rows.length > 0 && !hasNextPage ? (
        `${counted(rows.length, "run")}, all shown`
      ) : null}
    </div>
  );
}
