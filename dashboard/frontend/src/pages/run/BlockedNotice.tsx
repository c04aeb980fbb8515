import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { executorsQuery } from "../../api/queries";
import type { Executor, Run } from "../../api/wire";
import { isHeld, namedQueue } from "../../lib/status";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Notice } from "../../ui/Notice";

/** What no live worker has that the run needs: the first thing to fix. */
function whyBlocked(run: Run, workers: Executor[]): ReactNode {
  const live = workers.filter((worker) => worker.status === "live");
  const queue = namedQueue(run.queue);
  const version = run.workflowVersion;
  if (live.length === 0) return "No worker is alive. Start one.";
  if (
    version !== undefined &&
    live.every((worker) => worker.appVersion !== undefined && worker.appVersion !== version)
  ) {
    const versions = [...new Set(live.map((worker) => worker.appVersion))].join(", ");
    return (
      <>
        It wants version <span className="mono">{version}</span>, and the workers that are alive have{" "}
        <span className="mono">{versions}</span>. Start a worker of its version, or cancel it and retry: a retry takes a
        version that is alive.
      </>
    );
  }
  if (queue && live.every((worker) => worker.queues.length > 0 && !worker.queues.includes(queue)))
    return (
      <>
        No worker that is alive listens to queue <strong>{queue}</strong>. Start one that does.
      </>
    );
  if (live.every((worker) => worker.workflows.length > 0 && !worker.workflows.includes(run.workflow)))
    return (
      <>
        No worker that is alive has the workflow <strong>{run.workflow}</strong>. Start one that does.
      </>
    );
  return (
    <>
      No worker that is alive has its workflow, its version and{" "}
      {queue ? (
        <>
          listens to queue <strong>{queue}</strong>
        </>
      ) : (
        "listens to its queue"
      )}{" "}
      all at once.
    </>
  );
}

export function BlockedNotice({ run }: { run: Run }) {
  const workers = useQuery(executorsQuery);
  const actions = (
    <Link to={links.workers} className="btn">
      See workers
    </Link>
  );
  if (isHeld(run)) {
    return (
      <Notice tone="warn" title="Its worker is lost" actions={actions}>
        <span className="mono">{run.executor}</span> held it and stopped beating. Re-dispatch it: another worker goes on
        after the last completed step. Or start that worker again under its id.
      </Notice>
    );
  }
  return (
    <Notice tone="warn" title="No worker can run it" actions={actions}>
      {workers.data ? whyBlocked(run, workers.data) : null}
    </Notice>
  );
}
