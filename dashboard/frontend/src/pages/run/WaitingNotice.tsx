import { type FormEvent, useState } from "react";
import { newKey, sendSignal, sendUpdate } from "../../api/actions";
import { keys } from "../../api/keys";
import type { Run } from "../../api/wire";
import type { ExactJson } from "../../lib/exactJson";
import { useNow } from "../../lib/clock";
import { errorText } from "../../lib/errors";
import { untilLabel, waitingLabel } from "../../lib/status";
import { formatAgo, formatExact, parseTime } from "../../lib/time";
import { isViewer, offers } from "../../shell/access";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import { useAct } from "../../shell/useAct";
import { Since } from "../../ui/Ago";
import { Button } from "../../ui/Button";
import { parseJson } from "../../ui/JsonField";
import { Notice } from "../../ui/Notice";

/** What an open run waits for, and a way to answer it. */
export function WaitingNotice({ run, childId }: { run: Run; childId: string | undefined }) {
  const { waiting } = run;
  const until = parseTime(waiting?.until);
  const now = useNow(until !== null);
  if (!waiting) return null;
  const answer = offers(run, "update") ? "update" : offers(run, "signal") ? "signal" : null;
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
      {waiting.on === "breakpoint" && !isViewer() ? "Continue lets it run its next step." : null}
      {waiting.on === "webhook"
        ? "Its callback address was handed out by the workflow; a POST there resumes the run."
        : null}
      {childId ? <Link to={links.run(childId)}>Open the child run</Link> : null}
      {answer !== null && waiting.name !== undefined && !isViewer() ? (
        <MessageForm runId={run.id} name={waiting.name} kind={answer} />
      ) : null}
    </Notice>
  );
}

function MessageForm({ runId, name, kind }: { runId: string; name: string; kind: "signal" | "update" }) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string | null>(null);
  const [key, setKey] = useState(newKey);
  const { act, isPending, error } = useAct<ExactJson, unknown>({
    send: (value) => (kind === "update" ? sendUpdate(runId, name, value, key) : sendSignal(runId, name, value, key)),
    said: kind === "update" ? "Update accepted." : "Signal sent.",
    touches: [keys.run(runId)],
    then: () => {
      setText("");
      setKey(newKey());
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const parsed = parseJson(text);
    setWrong(parsed.error);
    if (parsed.error === null) act(parsed.value);
  };
  return (
    <form className="message-form" onSubmit={submit}>
      <input
        className="input mono"
        value={text}
        aria-label={`Message for ${name}`}
        placeholder='JSON, such as {"approved": true}'
        spellCheck={false}
        onChange={(event) => {
          setText(event.target.value);
          setWrong(null);
        }}
      />
      <Button type="submit" icon="send" tone="primary" busy={isPending}>
        {kind === "update" ? "Update" : "Send"}
      </Button>
      {wrong ? <p className="field-error">{wrong}</p> : null}
      {error ? (
        <p className="field-error" role="alert">
          {errorText(error)}
        </p>
      ) : null}
    </form>
  );
}
