import { type FormEvent, useState } from "react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { newKey, sendSignal, sendUpdate } from "../api/actions";
import { undoQuery } from "../api/queries";
import type { Json, RunDetail, Waiting } from "../api/wire";
import { config } from "../config";
import { type Allowed, waitingLabel } from "../lib/status";
import { formatAgo, formatExact, parseTime } from "../lib/time";
import { Link, runPath } from "../router";
import { Since } from "../ui/Ago";
import { Button, errorText, Notice } from "../ui/basics";
import { useNow } from "../ui/clock";
import { parseJson } from "../ui/JsonField";
import { useToast } from "../ui/toast";
import { Stack } from "./ErrorView";
import { Compensations } from "./RunDialogs";

interface Props {
  detail: RunDetail;
  allowed: Allowed;
  onStep: (seq: number) => void;
}

/** What the reader should know first: why it failed, what it waits for, that nobody runs it. */
export function RunState({ detail, allowed, onStep }: Props) {
  const { run, timeline, lineage } = detail;
  const viewer = config.role === "viewer";
  if (run.status === "failed" && run.error && !run.undoId) {
    const failed = timeline.findLast((step) => step.status === "failed" && step.compensates === undefined);
    return (
      <Notice
        tone="bad" title={<>{run.error.type ? <span className="mono">{run.error.type}</span> : "Failed"}{failed ? <> in <button type="button" className="link" onClick={() => onStep(failed.seq)}>{failed.name}</button></> : null}</>}
        actions={failed?.childRunId ? <Link to={runPath(failed.childRunId)} className="btn">Open the child that failed</Link> : undefined}
      >
        <p className="pre">{run.error.message}</p>
        <Stack text={run.error.stack} />
      </Notice>
    );
  }
  if (run.status === "dead") {
    return (
      <Notice tone="bad" title="Dead: it crashed its worker too often" actions={lineage.deadLetter ? <Link to={runPath(lineage.deadLetter.id)} className="btn">See its dead-letter handler</Link> : undefined}>
        The engine gave up after {run.recoveryAttempts} starts. Retry puts it back on its queue with a new count; steps that completed stay.
      </Notice>
    );
  }
  if (run.status === "blocked") {
    return (
      <Notice tone="warn" title="No worker can run it" actions={<Link to="/workers" className="btn">See workers</Link>}>
        {run.queue ? <>Nobody alive listens to <strong>{run.queue}</strong>{run.workflowVersion ? <> at version <span className="mono">{run.workflowVersion}</span></> : null}. Start a worker, or re-dispatch the run.</> : "The worker that held it stopped beating. Re-dispatch it to another."}
      </Notice>
    );
  }
  if (run.status === "cancelling" || run.undoId) return <UndoNotice detail={detail} />;
  if (!run.waiting || run.status !== "suspended") return null;
  return <WaitingNotice runId={run.id} waiting={run.waiting} allowed={allowed} viewer={viewer} />;
}

/** How far the undo is, or how it went. A stuck compensation is shown and never halts the rest. */
function UndoNotice({ detail }: { detail: RunDetail }) {
  const { run, lineage } = detail;
  const active = run.status === "cancelling";
  const query = useQuery({ ...undoQuery(run.id), refetchInterval: active ? 1000 : false });
  const steps = query.data?.compensations.filter((step) => step.undo) ?? [];
  const done = steps.filter((step) => step.status === "completed").length;
  const failed = steps.filter((step) => step.status === "failed").length;
  const actions = lineage.undo ? <Link to={runPath(lineage.undo.id)} className="btn">Open the undo</Link> : undefined;
  return (
    <Notice tone={failed > 0 ? "bad" : active ? "info" : "good"} title={active ? "Being undone" : failed > 0 ? "Undone, but not wholly" : "Undone"} actions={actions}>
      <p>
        {steps.length > 0 ? `${done} of ${steps.length} compensations done${failed > 0 ? `, ${failed} failed` : ""}. ` : ""}
        {active ? "They run in reverse order; the run is cancelled when they are through." : "A retry is refused, for its effects are gone. Fork it instead."}
      </p>
      {active || failed > 0 ? <details className="stack"><summary>Compensations</summary><Compensations steps={query.data?.compensations ?? []} /></details> : null}
    </Notice>
  );
}

function WaitingNotice({ runId, waiting, allowed, viewer }: { runId: string; waiting: Waiting; allowed: Allowed; viewer: boolean }) {
  const until = parseTime(waiting.until);
  const now = useNow(until !== null);
  const timeout = until !== null ? <span title={formatExact(waiting.until)}> · {waiting.on === "sleep" ? "wakes" : "times out"} {formatAgo(until, now)}</span> : null;
  const known = waiting.name !== undefined;
  return (
    <Notice
      tone="info"
      title={<>{waiting.on === "sleep" ? "Sleeping" : <>Waiting for {waitingLabel(waiting)}</>} <span className="muted normal">for <Since at={waiting.since} />{timeout}</span></>}
    >
      {waiting.on === "signal" && !known ? "The topic is not stored by the engine. Send to it from the menu when you know it." : null}
      {waiting.on === "breakpoint" && !viewer ? "Continue lets it go on with its next step." : null}
      {waiting.on === "webhook" ? "Its callback address was handed out by the workflow; a POST there resumes the run." : null}
      {waiting.on === "child" && waiting.name ? <Link to={runPath(waiting.name)}>Open the child run</Link> : null}
      {(allowed.signal || allowed.update) && known && !viewer ? <MessageForm runId={runId} name={waiting.name ?? ""} kind={allowed.update ? "update" : "signal"} /> : null}
    </Notice>
  );
}

function MessageForm({ runId, name, kind }: { runId: string; name: string; kind: "signal" | "update" }) {
  const client = useQueryClient();
  const say = useToast();
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string | null>(null);
  const [key, setKey] = useState(newKey);
  const send = useMutation({
    mutationFn: (value: Json) => (kind === "update" ? sendUpdate(runId, name, value, key) : sendSignal(runId, name, value, key)),
    onSuccess: () => {
      say(kind === "update" ? "Update accepted." : "Signal sent.");
      setText("");
      setKey(newKey());
      void client.invalidateQueries({ queryKey: ["run", runId] });
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const parsed = parseJson(text);
    setWrong(parsed.error);
    if (parsed.error === null) send.mutate(parsed.value);
  };
  return (
    <form className="message-form" onSubmit={submit}>
      <input className="input mono" value={text} aria-label={`Message for ${name}`} placeholder='JSON, such as {"approved": true}' spellCheck={false} onChange={(event) => { setText(event.target.value); setWrong(null); }} />
      <Button type="submit" icon="send" tone="primary" busy={send.isPending}>{kind === "update" ? "Update" : "Send"}</Button>
      {wrong ? <p className="field-error">{wrong}</p> : null}
      {send.isError ? <p className="field-error" role="alert">{errorText(send.error)}</p> : null}
    </form>
  );
}
