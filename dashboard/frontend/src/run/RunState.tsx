import { type FormEvent, useState } from "react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { sendSignal, sendUpdate } from "../api/actions";
import type { Json, RunDetail, Waiting } from "../api/wire";
import { config } from "../config";
import { type Allowed, waitingLabel } from "../lib/status";
import { formatAgo, formatExact, parseTime } from "../lib/time";
import { Link, runPath } from "../router";
import { Since } from "../ui/Ago";
import { Button, errorText, Notice } from "../ui/basics";
import { useNow } from "../ui/clock";
import { useToast } from "../ui/toast";
import { Stack } from "./ErrorView";
import { parseInput } from "./RunDialogs";
import type { Ask } from "./RunDialogs";

interface Props {
  detail: RunDetail;
  allowed: Allowed;
  onAsk: (ask: Ask) => void;
  onStep: (seq: number) => void;
}

/** What the reader should know first: why it failed, what it waits for, that nobody runs it. */
export function RunState({ detail, allowed, onAsk, onStep }: Props) {
  const { run, timeline, lineage } = detail;
  const viewer = config.role === "viewer";
  if (run.status === "failed" && run.error) {
    const failed = timeline.findLast((step) => step.status === "failed" && step.compensates === undefined);
    return (
      <Notice
        tone="bad" title={<>{run.error.type ? <span className="mono">{run.error.type}</span> : "Failed"}{failed ? <> in <button type="button" className="link" onClick={() => onStep(failed.seq)}>{failed.name}</button></> : null}</>}
        actions={failed?.childRunId ? <Link to={runPath(failed.childRunId)} className="btn">Open the child that failed</Link> : undefined}
      >
        <p className="pre">{run.error.message}</p>
        <Stack text={run.error.stack} />
        {lineage.undo ? <p>It was undone: a retry is refused, for its effects are gone. Fork it instead.</p> : null}
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
  if (run.status === "cancelling") {
    const done = timeline.filter((step) => step.compensates !== undefined && step.status === "completed").length;
    const all = timeline.filter((step) => step.compensates !== undefined).length;
    return (
      <Notice tone="info" title="Being undone" actions={lineage.undo ? <Link to={runPath(lineage.undo.id)} className="btn">Open the undo</Link> : undefined}>
        Compensations run in reverse order, each once{all > 0 ? `: ${done} of ${all} done` : ""}. The run is cancelled when they are through.
      </Notice>
    );
  }
  if (!run.waiting || run.status !== "suspended") return null;
  return <WaitingNotice runId={run.id} waiting={run.waiting} allowed={allowed} viewer={viewer} onAsk={onAsk} />;
}

function WaitingNotice({ runId, waiting, allowed, viewer, onAsk }: { runId: string; waiting: Waiting; allowed: Allowed; viewer: boolean; onAsk: (ask: Ask) => void }) {
  const until = parseTime(waiting.until);
  const now = useNow(until !== null);
  const timeout = until !== null ? <span title={formatExact(waiting.until)}> · {waiting.on === "sleep" ? "wakes" : "times out"} {formatAgo(until, now)}</span> : null;
  const known = waiting.name !== undefined;
  return (
    <Notice
      tone="info"
      title={<>{waiting.on === "sleep" ? "Sleeping" : <>Waiting for {waitingLabel(waiting)}</>} <span className="muted normal">for <Since at={waiting.since} />{timeout}</span></>}
      actions={allowed.continue ? <Button tone="primary" icon="play" disabled={viewer} onClick={() => onAsk({ kind: "continue" })}>Continue</Button> : undefined}
    >
      {waiting.on === "signal" && !known ? "The topic is not stored by the engine. Send to it from the menu when you know it." : null}
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
  const send = useMutation({
    mutationFn: (value: Json) => (kind === "update" ? sendUpdate(runId, name, value) : sendSignal(runId, name, value)),
    onSuccess: () => {
      say(kind === "update" ? "Update accepted." : "Signal sent.");
      setText("");
      void client.invalidateQueries({ queryKey: ["run", runId] });
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const parsed = parseInput(text);
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
