import { Stack } from "../../features/error/ErrorView";
import type { RunDetail } from "../../api/wire";
import { shortType } from "../../lib/status";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Notice } from "../../ui/Notice";
import { BlockedNotice } from "./BlockedNotice";
import { UndoNotice } from "./UndoNotice";
import { WaitingNotice } from "./WaitingNotice";

interface Props {
  detail: RunDetail;
  onStep: (seq: number) => void;
}

/** What the reader should know first: why it failed, what it waits for, that nobody runs it. */
export function RunState({ detail, onStep }: Props) {
  const { run, timeline, lineage } = detail;
  if (run.status === "failed" && run.error && !run.undoId) {
    const failed = timeline.findLast((step) => step.status === "failed" && step.compensates === undefined);
    return (
      <Notice
        tone="bad"
        title={
          <>
            {run.error.type ? (
              <span className="mono" title={run.error.type}>
                {shortType(run.error.type)}
              </span>
            ) : (
              "Failed"
            )}
            {failed ? (
              <>
                {" "}
                in{" "}
                <button type="button" className="link" onClick={() => onStep(failed.seq)}>
                  {failed.name}
                </button>
              </>
            ) : null}
          </>
        }
        actions={
          <>
            {failed?.childRunId ? (
              <Link to={links.run(failed.childRunId)} className="btn">
                Open the child that failed
              </Link>
            ) : null}
            <Link to={links.compare(run.id)} className="btn">
              Compare with the last success
            </Link>
            {run.error.fingerprint ? (
              <Link to={links.error(run.error.fingerprint)} className="btn">
                Others like it
              </Link>
            ) : null}
          </>
        }
      >
        <p className="pre">{run.error.message}</p>
        <Stack text={run.error.stack} />
      </Notice>
    );
  }
  if (run.status === "dead") {
    return (
      <Notice
        tone="bad"
        title="Dead: it crashed its worker too often"
        actions={
          lineage.deadLetter ? (
            <Link to={links.run(lineage.deadLetter.id)} className="btn">
              See its dead-letter handler
            </Link>
          ) : undefined
        }
      >
        The engine gave up after {run.recoveryAttempts} starts. Retry puts it back on its queue with a new count; steps
        that completed stay.
      </Notice>
    );
  }
  if (run.status === "blocked") return <BlockedNotice detail={detail} />;
  if (run.status === "cancelling" || run.undoId) return <UndoNotice detail={detail} />;
  if (!run.waiting || run.status !== "suspended") return null;
  const child = timeline.find((step) => step.seq === run.waiting?.seq)?.childRunId;
  return <WaitingNotice run={run} childId={child} />;
}
