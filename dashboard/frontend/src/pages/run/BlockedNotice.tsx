import type { ReactNode } from "react";
import type { RunDetail } from "../../api/wire";
import { offers, whyReadOnly } from "../../shell/access";
import { links } from "../../shell/links";
import { openOverlay } from "../../shell/overlay";
import { Link } from "../../shell/router";
import { Button } from "../../ui/Button";
import { Notice } from "../../ui/Notice";
import { MoveDialog } from "./dialogs/MoveDialog";

type Code = NonNullable<RunDetail["run"]["blocked"]>["code"];

const TITLE: Record<Code, string> = {
  version_gone: "No live worker has its version",
  executor_lost: "Its worker is lost",
  not_driven: "No worker drives it",
  queue_unpolled: "No live worker listens to its queue",
  workflow_unregistered: "No live worker has its workflow",
};

/** Why nobody runs it, and what to do, as the server says; the action beside it. */
export function BlockedNotice({ detail }: { detail: RunDetail }): ReactNode {
  const { run } = detail;
  const { blocked } = run;
  return (
    <Notice
      tone="warn"
      title={blocked ? TITLE[blocked.code] : "No worker can run it"}
      actions={
        <>
          {offers(run, "move") ? (
            <Button
              icon="send"
              tone="primary"
              disabled={whyReadOnly() !== undefined}
              title={whyReadOnly()}
              onClick={() => void openOverlay(<MoveDialog detail={detail} />)}
            >
              Move to a version
            </Button>
          ) : null}
          <Link to={links.workers} className="btn">
            See workers
          </Link>
        </>
      }
    >
      {blocked ? `${blocked.reason} ${blocked.remedy}` : "Start a worker that has its workflow, version and queue."}
    </Notice>
  );
}
