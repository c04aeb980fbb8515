import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { assignWait } from "../../api/actions";
import { keys } from "../../api/keys";
import { inboxQuery } from "../../api/queries";
import type { InboxEntry } from "../../api/wire";
import { config } from "../../config";
import { AnswerForm } from "../../features/answer/AnswerForm";
import { useNow } from "../../lib/clock";
import { oneOf, searchOf } from "../../lib/search";
import { shortId, untilLabel } from "../../lib/status";
import { formatAgo, formatCount, formatExact, parseTime } from "../../lib/time";
import { whyReadOnly } from "../../shell/access";
import { links } from "../../shell/links";
import { Link, useSearch } from "../../shell/router";
import { useAct } from "../../shell/useAct";
import { Since } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import { Empty, Skeleton } from "../../ui/Notice";
import { QueryView } from "../../ui/QueryView";
import css from "./inbox.module.css";

const WHOSE = ["mine", "nobody"] as const;
const search = searchOf({ whose: oneOf(WHOSE) });
const LABEL = { all: "All", mine: "Mine", nobody: "Nobody's" } as const;

/** Everything that waits for a person, oldest first, answered in place. */
export function InboxPage() {
  const [{ whose }, setSearch] = useSearch(search);
  const me = config.actor;
  const query = useQuery(inboxQuery(whose === "mine" ? me : whose === "nobody" ? "" : null));
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Inbox</h1>
        <p className="muted">What waits for a person in any run, oldest first.</p>
        <div className="chips" role="group" aria-label="Whose">
          {(["all", ...WHOSE] as const).map((one) => (
            <button
              key={one}
              type="button"
              className="chip"
              aria-pressed={(whose ?? "all") === one}
              onClick={() => setSearch({ whose: one === "all" ? null : one })}
            >
              {LABEL[one]}
            </button>
          ))}
        </div>
      </header>
      <QueryView
        query={query}
        what="The inbox"
        pending={<Skeleton rows={6} />}
        empty={{
          when: ({ entries }) => entries.length === 0,
          show: (
            <Empty title={whose === null ? "Nothing waits for a person" : "Nothing here"} icon="check">
              {whose === null ? (
                "Breakpoints come here by themselves, signals and updates when their wait says what it asks: ask=…"
              ) : (
                <Link to={links.inbox}>All that waits</Link>
              )}
            </Empty>
          ),
        }}
      >
        {({ entries, count, exact }) => (
          <>
            <ol className={css.entries}>
              {entries.map((entry) => (
                <Entry key={`${entry.run.id} ${entry.seq}`} entry={entry} />
              ))}
            </ol>
            {count > entries.length ? (
              <p className="muted">
                The oldest {formatCount(entries.length)} of {formatCount(count)}
                {exact ? "" : " or more"}. The others come as these are answered.
              </p>
            ) : null}
          </>
        )}
      </QueryView>
    </div>
  );
}

const WHAT = { breakpoint: "Breakpoint", signal: "Signal", update: "Update" } as const;

function Entry({ entry }: { entry: InboxEntry }) {
  const { run, on, name, ask, schema } = entry;
  return (
    <li className={css.entry}>
      <div className={css.question}>
        <h2>{ask ?? `${WHAT[on]} ${name}`}</h2>
        <p className="muted">
          <Link to={links.run(run.id)}>
            {run.workflow} <span className="mono">{shortId(run.id)}</span>
          </Link>
          {ask === undefined ? null : (
            <>
              {" · "}
              {WHAT[on].toLowerCase()} {name}
            </>
          )}
          {" · waiting for "}
          <Since at={entry.since} />
          <Until entry={entry} />
        </p>
        <Assignee entry={entry} />
      </div>
      <AnswerForm question={{ runId: run.id, on, name, seq: entry.seq, ...(schema ? { schema } : {}) }} />
    </li>
  );
}

function Until({ entry: { until, run } }: { entry: InboxEntry }) {
  const at = parseTime(until);
  const now = useNow(at !== null);
  if (at === null || run.waiting === undefined) return null;
  return (
    <span title={formatExact(until)}>
      {" · "}
      {untilLabel(run.waiting)} {formatAgo(at, now)}
    </span>
  );
}

function Assignee({ entry }: { entry: InboxEntry }) {
  const { run, seq, assignee } = entry;
  const [asked, setAsked] = useState(false);
  const [text, setText] = useState("");
  const { act, isPending, error } = useAct<string | null, InboxEntry>({
    send: (who) => assignWait(run.id, seq, who),
    said: (answer) => (answer.assignee ? `Assigned to ${answer.assignee}.` : "Nobody's now."),
    touches: [keys.inbox],
    then: () => setAsked(false),
  });
  const why = whyReadOnly();
  const me = config.actor;
  return (
    <p className={css.assignee}>
      {assignee ? (
        <>
          Assigned to <strong>{assignee}</strong>
        </>
      ) : (
        <span className="muted">Nobody's yet</span>
      )}
      {asked ? (
        <input
          className="input"
          aria-label="Assign to"
          placeholder="Name"
          value={text}
          autoFocus
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && text.trim() !== "") act(text.trim());
            if (event.key === "Escape") setAsked(false);
          }}
        />
      ) : (
        <>
          {me !== "" && assignee !== me ? (
            <Button tone="quiet" busy={isPending} disabled={why !== undefined} title={why} onClick={() => act(me)}>
              Take it
            </Button>
          ) : null}
          <Button tone="quiet" disabled={why !== undefined} title={why} onClick={() => setAsked(true)}>
            Assign…
          </Button>
          {assignee ? (
            <Button tone="quiet" disabled={why !== undefined} title={why} onClick={() => act(null)}>
              Release
            </Button>
          ) : null}
        </>
      )}
      {error ? <span className="field-error">{error.message}</span> : null}
    </p>
  );
}
