import { type FormEvent, useMemo, useState } from "react";
import { continueRun, newKey, sendSignal, sendUpdate } from "../../api/actions";
import { keys } from "../../api/keys";
import type { InboxEntry, Json } from "../../api/wire";
import { errorText } from "../../lib/errors";
import { ExactJson } from "../../lib/exactJson";
import { fieldsOf, initialOf, type Typed, writtenOf } from "../../lib/schemaForm";
import { whyReadOnly } from "../../shell/access";
import { useAct } from "../../shell/useAct";
import { Button } from "../../ui/Button";
import { SchemaFields } from "./SchemaFields";
import css from "./answer.module.css";

export type Question = Pick<InboxEntry, "on" | "name" | "seq"> & {
  runId: string;
  schema?: Record<string, Json | undefined>;
};

const NOTHING_WRONG: Typed = {};

/** Answers what a run waits for: a breakpoint with a comment and what it asks for, a signal or an update with its message. */
export function AnswerForm({ question, onDone }: { question: Question; onDone?: () => void }) {
  const { runId, on, name, seq, schema } = question;
  const isBreakpoint = on === "breakpoint";
  // A breakpoint that declares nothing takes no payload: its comment says all.
  const fields = useMemo(() => (isBreakpoint && schema === undefined ? [] : fieldsOf(schema)), [isBreakpoint, schema]);
  const [typed, setTyped] = useState<Typed>(() => initialOf(fields));
  const [wrong, setWrong] = useState<Typed>(NOTHING_WRONG);
  const [comment, setComment] = useState("");
  const [key] = useState(newKey);
  const { act, isPending, error } = useAct<ExactJson | null, unknown>({
    send: (value) => {
      if (isBreakpoint) return continueRun(runId, { comment: comment.trim(), payload: value, seq });
      const message = value ?? new ExactJson("null");
      return on === "update" ? sendUpdate(runId, name, message, key) : sendSignal(runId, name, message, key);
    },
    said: isBreakpoint ? "Continued." : on === "update" ? "Update accepted." : "Signal sent.",
    touches: [keys.run(runId), keys.inbox],
    ...(onDone ? { then: onDone } : {}),
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (fields.length === 0) return act(null);
    const written = writtenOf(fields, typed);
    setWrong(written.wrong ?? NOTHING_WRONG);
    if (written.text !== null) act(new ExactJson(written.text));
  };
  const why = whyReadOnly();
  return (
    <form className={css.form} onSubmit={submit} aria-label={`Answer ${name}`}>
      <SchemaFields
        fields={fields}
        typed={typed}
        wrong={wrong}
        onChange={(next) => {
          setTyped(next);
          setWrong(NOTHING_WRONG);
        }}
      />
      {isBreakpoint ? (
        <label className="field">
          <span>
            Comment<span className="muted normal"> optional, kept in the audit log</span>
          </span>
          <input className={`input ${css.line}`} value={comment} onChange={(event) => setComment(event.target.value)} />
        </label>
      ) : null}
      <div className={css.send}>
        <Button
          type="submit"
          tone="primary"
          icon={isBreakpoint ? "play" : "send"}
          busy={isPending}
          disabled={why !== undefined}
          title={why}
        >
          {isBreakpoint ? "Continue" : "Send"}
        </Button>
        {error ? (
          <span className="field-error" role="alert">
            {errorText(error)}
          </span>
        ) : null}
      </div>
    </form>
  );
}
