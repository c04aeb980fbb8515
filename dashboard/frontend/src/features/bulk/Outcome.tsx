import { useQuery } from "@tanstack/react-query";
import type { BulkAction } from "../../api/actions";
import { bulkQuery, isDone } from "../../api/queries";
import type { BulkAnswer } from "../../api/wire";
import { errorText } from "../../lib/errors";
import { shortId } from "../../lib/status";
import { formatCount } from "../../lib/time";
import { links } from "../../shell/links";
import { useCloseOverlay } from "../../shell/overlay";
import { Link } from "../../shell/router";
import { Dialog } from "../../ui/Dialog";
import { Notice } from "../../ui/Notice";
import { DONE, readResult, VERB } from "./words";

const LEFT_SHOWN = 20;

/** What came of a bulk action: at once for a few runs, followed to its end for many. */
export function Outcome({ action, answer }: { action: BulkAction; answer: BulkAnswer }) {
  const close = useCloseOverlay();
  const { bulkId } = answer;
  const atOnce = answer.results !== undefined;
  const progress = useQuery({ ...bulkQuery(bulkId ?? ""), enabled: !atOnce && bulkId !== undefined });
  const state = progress.data;
  const results = ((atOnce ? answer.results : state?.results) ?? []).map(readResult);
  const done = atOnce ? results.length : (state?.done ?? 0);
  const applied = atOnce ? (answer.applied ?? 0) : (state?.applied ?? 0);
  const ended = atOnce || (state !== undefined && (done >= answer.matched || isDone(state)));
  const left = results.filter((entry) => entry.outcome !== "applied");
  return (
    <Dialog
      title={
        ended
          ? `${formatCount(applied)} of ${formatCount(answer.matched)} ${DONE[action]}`
          : `${VERB[action]} is in progress`
      }
      confirm="Close"
      only
      onConfirm={close}
      wide
    >
      {ended ? null : <p>A worker does it as a durable run. You may close this; it continues.</p>}
      <progress max={answer.matched} value={done} aria-label="Progress" />
      <p className="muted">
        {formatCount(done)} of {formatCount(answer.matched)} done
        {left.length > 0 ? `, ${formatCount(left.length)} left alone` : ""}.
        {bulkId ? (
          <>
            {" "}
            <Link to={links.bulk(bulkId)}>What became of them</Link>
          </>
        ) : null}
      </p>
      {state?.stopped ? (
        <Notice tone="warn" title="Stopped">
          {state.stopped}
        </Notice>
      ) : null}
      {progress.isError ? <Notice tone="warn">{errorText(progress.error)}</Notice> : null}
      {left.length > 0 ? (
        <ul className="preview-list">
          {left.slice(0, LEFT_SHOWN).map((entry) => (
            <li key={entry.runId}>
              <Link to={links.run(entry.runId)} className="clip">
                {shortId(entry.runId)}
              </Link>
              <strong>{entry.outcome}</strong>
              <span className="muted">{entry.detail}</span>
            </li>
          ))}
        </ul>
      ) : null}
    </Dialog>
  );
}
