import { useQuery } from "@tanstack/react-query";
import { waitsQuery } from "../../api/queries";
import type { Action, OpenWait, Run, Waiting, WaitingOn } from "../../api/wire";
import { AnswerForm, type Question } from "../../features/answer/AnswerForm";
import { useNow } from "../../lib/clock";
import { untilLabel, waitingLabel } from "../../lib/status";
import { formatAgo, formatExact, parseTime } from "../../lib/time";
import { offers } from "../../shell/access";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { Since } from "../../ui/Ago";
import { Notice } from "../../ui/Notice";

/** What an open run waits for, and a way to answer it. */
export function WaitingNotice({ run, childId }: { run: Run; childId: string | undefined }) {
  const { waiting } = run;
  const until = parseTime(waiting?.until);
  const now = useNow(until !== null);
  if (!waiting) return null;
  const timeout =
    until !== null ? (
      <span title={formatExact(waiting.until)}>
        {" "}
        · {untilLabel(waiting)} {formatAgo(until, now)}
      </span>
    ) : null;
  const known = waiting.name !== undefined;
  return (
    <Notice
      tone="info"
      title={
        <>
          {waiting.on === "sleep" ? "Sleeping" : <>Waiting for {waitingLabel(waiting)}</>}{" "}
          <span className="muted normal">
            for <Since at={waiting.since} />
            {timeout}
          </span>
        </>
      }
    >
      {waiting.on === "signal" && !known
        ? "The topic is not stored by the engine. Send to it from the menu when you know it."
        : null}
      {waiting.on === "webhook"
        ? "Its callback address was handed out by the workflow; a POST there resumes the run."
        : null}
      {childId ? <Link to={links.run(childId)}>Open the child run</Link> : null}
      <Answers run={run} />
    </Notice>
  );
}

const ANSWERED: Partial<Record<WaitingOn, Action>> = { breakpoint: "continue", signal: "signal", update: "update" };

/** Every wait that a person may answer, by what each asks and takes; of one that the engine alone knows, any JSON. */
function Answers({ run }: { run: Run }) {
  const { waiting } = run;
  const answerable = waiting !== undefined && waiting.name !== undefined && waiting.on in ANSWERED;
  const query = useQuery({ ...waitsQuery(run.id, waiting?.seq), enabled: answerable });
  if (!answerable || !query.isFetched) return null;
  const open = (query.data ?? []).flatMap(({ on, ...rest }) => (isQuestion(on) ? [{ on, ...rest }] : []));
  const shown = open.length > 0 ? open : engines(waiting);
  return shown
    .filter(({ on }) => offers(run, ANSWERED[on] ?? "continue"))
    .map(({ seq, on, name, ask, schema }) => (
      <section key={`${seq} ${name}`} className="waiting-answer">
        {ask ? <strong>{ask}</strong> : shown.length > 1 ? <strong>{name}</strong> : null}
        <AnswerForm question={{ runId: run.id, seq, on, name, ...(schema ? { schema } : {}) }} />
      </section>
    ));
}

type Asked = Pick<OpenWait, "seq" | "name" | "ask" | "schema"> & { on: Question["on"] };

const isQuestion = (on: WaitingOn): on is Question["on"] => on in ANSWERED;

/** What the run's row alone says of a wait. */
function engines({ on, name, seq }: Waiting): readonly Asked[] {
  return isQuestion(on) && name !== undefined ? [{ on, name, seq: seq ?? 0 }] : [];
}
