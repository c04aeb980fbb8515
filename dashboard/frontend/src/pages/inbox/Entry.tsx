import { useState } from "react";
import { assignWait, linkQuestion } from "../../api/actions";
import { keys } from "../../api/keys";
import type { InboxEntry } from "../../api/wire";
import { config } from "../../config";
import { AnswerForm } from "../../features/answer/AnswerForm";
import { useNow } from "../../lib/clock";
import { copyLoaded } from "../../lib/clipboard";
import { errorText } from "../../lib/errors";
import { shortId, untilLabel } from "../../lib/status";
import { formatAgo, formatClock, formatExact, parseTime } from "../../lib/time";
import { whyReadOnly } from "../../shell/access";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { useAct } from "../../shell/useAct";
import { Since } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import css from "./inbox.module.css";

const WHAT = { breakpoint: "Breakpoint", signal: "Signal", update: "Update" } as const;

/** A question that waits for a person: what it asks, who is to answer, and the answer. */
export function Entry({ entry, onDone }: { entry: InboxEntry; onDone?: () => void }) {
  const { run, on, name, ask, schema } = entry;
  return (
    <article className={css.entry}>
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
      <AnswerForm
        question={{ runId: run.id, on, name, seq: entry.seq, ...(schema ? { schema } : {}) }}
        {...(onDone ? { onDone } : {})}
      />
    </article>
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
      <LinkButton entry={entry} />
      {error ? <span className="field-error">{error.message}</span> : null}
    </p>
  );
}

/** A signed address for chat and mail. It allows nothing: whoever opens it signs in and is asked. */
function LinkButton({ entry: { run, seq } }: { entry: InboxEntry }) {
  const { act, isPending, error, data } = useAct({
    send: async () => {
      const made = linkQuestion(run.id, seq);
      const copied = await copyLoaded(made.then(({ url }) => url));
      return { ...(await made), copied };
    },
    said: ({ copied, expiresAt }) =>
      copied
        ? `Link copied; it opens until ${formatClock(parseTime(expiresAt) ?? 0, Date.now())}.`
        : "Copy the link by hand.",
  });
  const why = whyReadOnly();
  return (
    <>
      <Button
        tone="quiet"
        icon="link"
        busy={isPending}
        disabled={why !== undefined}
        title={why}
        onClick={() => act(undefined)}
      >
        Copy link
      </Button>
      {data && !data.copied ? (
        <input className="input mono" readOnly value={data.url} aria-label="Link to this question" />
      ) : null}
      {error ? <span className="field-error">{errorText(error)}</span> : null}
    </>
  );
}
