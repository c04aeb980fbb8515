/** Trouble that concerns every page: signed out, no server, the store, lost workers. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { signedOut } from "../api/http";
import { executorsQuery, facetsQuery, healthQuery } from "../api/queries";
import type { Executor } from "../api/wire";
import { EMPTY_FILTER } from "../lib/filter";
import { useCell } from "../lib/cell";
import { useLive, useStreamProblem } from "../live/state";
import { Button, IconButton } from "../ui/Button";
import { Notice } from "../ui/Notice";
import { links } from "./links";
import { Link } from "./router";

export function Banners() {
  const out = useCell(signedOut);
  const live = useLive();
  const problem = useStreamProblem();
  if (out) return <SignedOut />;
  if (live === "offline") {
    return (
      <Notice tone="warn" title="Reconnecting">
        The server does not answer, so what you see may be out of date. The page continues by itself when it does.
      </Notice>
    );
  }
  if (problem) {
    return (
      <Notice tone="bad" title="Live updates are unavailable">
        {problem}
      </Notice>
    );
  }
  return <Service />;
}

function SignedOut() {
  return (
    <Notice
      tone="warn"
      title="Signed out"
      actions={
        <Button tone="primary" onClick={() => window.location.reload()}>
          Reload to sign in
        </Button>
      }
    >
      Your session has ended, so what you see may be out of date.
    </Notice>
  );
}

function Service() {
  const { data } = useQuery(healthQuery);
  if (!data || (data.status === "ok" && !data.lostWorkers)) return null;
  const problems = Array.isArray(data.problems) ? data.problems : [];
  return (
    <>
      {data.status !== "ok" ? (
        <Notice tone="bad" title="Degraded">
          {problems.join(" ") || "The server does not say why. Its log has the details."}
        </Notice>
      ) : null}
      {data.lostWorkers ? <LostWorkers /> : null}
    </>
  );
}

/** Lost while they ran steps of runs that they still hold: not those moved, retried or ended since. One that was replaced under its own id recovers its runs itself. */
function lostWhileBusy(workers: Executor[]): Executor[] {
  const live = new Set(workers.filter((worker) => worker.status === "live").map((worker) => worker.executorId));
  return workers.filter((worker) => worker.status === "lost" && worker.heldTotal > 0 && !live.has(worker.executorId));
}

function LostWorkers() {
  const { data } = useQuery(executorsQuery);
  // What they held may have been re-dispatched, retried or cancelled since: then nobody need do anything.
  const blocked = useQuery({ ...facetsQuery({ ...EMPTY_FILTER, status: ["blocked"] }), refetchInterval: 5000 });
  const holds = blocked.data?.some((facet) => facet.status === "blocked" && facet.count > 0) ?? false;
  const [dismissed, setDismissed] = useState("");
  const lost = lostWhileBusy(data ?? []);
  const key = lost.map((worker) => worker.instanceId).join();
  const first = lost[0];
  if (!first || key === dismissed || !holds) return null;
  const held = lost.reduce((sum, worker) => sum + worker.heldTotal, 0);
  return (
    <Notice
      tone="warn"
      title={
        lost.length === 1
          ? `Worker ${first.executorId} stopped responding`
          : `${lost.length} workers stopped responding`
      }
      actions={
        <>
          <Link to={links.workers} className="btn">
            See workers
          </Link>
          <IconButton icon="close" label="Dismiss" onClick={() => setDismissed(key)} />
        </>
      }
    >
      {held === 1 ? "One step was running there." : `${held} steps were running there.`} Re-dispatch the runs, or
      restart the worker under its id.
    </Notice>
  );
}
