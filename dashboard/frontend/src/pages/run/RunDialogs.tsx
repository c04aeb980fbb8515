import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import {
  cancelRun,
  continueRun,
  forkRun,
  newKey,
  redispatchRun,
  retryRun,
  retryWithInput,
  sendSignal,
} from "../../api/actions";
import { payloadQuery, undoQuery } from "../../api/queries";
import type { Json, NewRun, RunDetail, Step, UndoView } from "../../api/wire";
import { isHeld, namedQueue, shortId } from "../../lib/status";
import { navigate, runPath } from "../../shell/router";
import { errorText } from "../../lib/errors";
import { Failure, Notice, Skeleton } from "../../ui/Notice";
import { Dialog } from "../../ui/Dialog";
import { Glyph, StatusIcon } from "../../ui/icons";
import { JsonField, parseJson } from "../../ui/JsonField";
import { JsonView } from "../../ui/JsonView";
import { useToast } from "../../ui/toast";
import "./undo.css";

export type Ask =
  | { kind: "retry" }
  | { kind: "cancel" }
  | { kind: "undo" }
  | { kind: "continue" }
  | { kind: "redispatch" }
  | { kind: "input" }
  | { kind: "signal" }
  | { kind: "fork"; seq: number | null };

interface Props {
  ask: Ask;
  detail: RunDetail;
  onClose: () => void;
}

/**
 * Do it, report it, and read the run again. A refusal stays in the dialog, in the server's words.
 * Closing and opening belong to the dialog that asked: an answer that comes after it was dismissed touches nothing else.
 */
function useAct<V, A>(
  detail: RunDetail,
  work: (value: V) => Promise<A>,
  done: string | ((answer: A) => string),
  onClose: () => void,
  after?: (answer: A) => void,
) {
  const client = useQueryClient();
  const say = useToast();
  const act = useMutation({
    mutationFn: work,
    onSuccess: (answer) => {
      const notes = notesOf(answer);
      const said = typeof done === "string" ? done : done(answer);
      say(notes ? `${said} ${notes}` : said);
      void client.invalidateQueries({ queryKey: ["run", detail.run.id] });
      void client.invalidateQueries({ queryKey: ["runs"] });
      void client.invalidateQueries({ queryKey: ["audit"] });
    },
  });
  const mutate = (value: V): void =>
    act.mutate(value, {
      onSuccess: (answer) => {
        onClose();
        after?.(answer);
      },
    });
  return { ...act, mutate };
}

/** What the server found worth knowing, besides that it was done. */
function notesOf(answer: unknown): string {
  return typeof answer === "object" && answer !== null && "notes" in answer && Array.isArray(answer.notes)
    ? answer.notes.join(" ")
    : "";
}

function openAnswer(answer: NewRun): void {
  navigate(runPath(answer.runId));
}

const refusalOf = (error: unknown): string | null => (error ? errorText(error) : null);

export function RunDialogs({ ask, detail, onClose }: Props) {
  switch (ask.kind) {
    case "retry":
      return <RetryDialog detail={detail} onClose={onClose} />;
    case "cancel":
      return <CancelDialog detail={detail} onClose={onClose} />;
    case "undo":
      return <UndoDialog detail={detail} onClose={onClose} />;
    case "continue":
      return <ContinueDialog detail={detail} onClose={onClose} />;
    case "redispatch":
      return <RedispatchDialog detail={detail} onClose={onClose} />;
    case "input":
      return <InputDialog detail={detail} onClose={onClose} />;
    case "signal":
      return <SignalDialog detail={detail} onClose={onClose} />;
    case "fork":
      return <ForkDialog detail={detail} seq={ask.seq} onClose={onClose} />;
  }
}

interface OneProps {
  detail: RunDetail;
  onClose: () => void;
}

function RetryDialog({ detail, onClose }: OneProps) {
  const { run, timeline } = detail;
  const [queue, setQueue] = useState("");
  const act = useAct(detail, () => retryRun(run.id, queue.trim() || undefined), "Retry is under way.", onClose);
  const failed = timeline.findLast((step) => step.status === "failed");
  const kept = timeline.filter(
    (step) => step.status === "completed" && !step.housekeeping && step.compensates === undefined,
  ).length;
  return (
    <Dialog
      title="Retry this run?"
      confirm="Retry"
      onClose={onClose}
      onConfirm={() => act.mutate(undefined)}
      busy={act.isPending}
      refusal={refusalOf(act.error)}
    >
      <p>
        It goes on under the same id
        {failed ? (
          <>
            {" "}
            from <strong>{failed.name}</strong>
          </>
        ) : null}
        .
        {kept > 0
          ? ` ${kept === 1 ? "The completed step is" : `The ${kept} completed steps are`} kept and not run again.`
          : ""}
        {failed?.childRunId ? " The child run that failed is retried first." : ""}
      </p>
      <label className="field">
        <span>Queue</span>
        <input
          className="input"
          value={queue}
          placeholder={namedQueue(run.queue) ?? "the one it was on"}
          onChange={(event) => setQueue(event.target.value)}
        />
        <small className="muted">Leave empty to keep its own queue and that queue's limits.</small>
      </label>
    </Dialog>
  );
}

function CancelDialog({ detail, onClose }: OneProps) {
  const { run, children } = detail;
  const [withChildren, setWithChildren] = useState(false);
  const act = useAct(
    detail,
    () => cancelRun(run.id, { compensate: false, children: withChildren }),
    "Cancelled.",
    onClose,
  );
  return (
    <Dialog
      title="Cancel this run?"
      confirm="Cancel the run"
      danger
      onClose={onClose}
      onConfirm={() => act.mutate(undefined)}
      busy={act.isPending}
      refusal={refusalOf(act.error)}
    >
      <p>
        It stops before its next step. A step in flight may still have its effect; its result is dropped. What completed
        stays done: to reverse it, use <em>Cancel and undo</em>.
      </p>
      {children.length > 0 ? <ChildrenCheck detail={detail} checked={withChildren} onChange={setWithChildren} /> : null}
    </Dialog>
  );
}

function UndoDialog({ detail, onClose }: OneProps) {
  const { run, children } = detail;
  const preview = useQuery(undoQuery(run.id));
  const [withChildren, setWithChildren] = useState(false);
  const act = useAct(
    detail,
    () => cancelRun(run.id, { compensate: true, children: withChildren }),
    "The undo is under way.",
    onClose,
  );
  const steps = preview.data?.compensations ?? [];
  const ended = run.finishedAt !== undefined;
  return (
    <Dialog
      title={ended ? "Undo this run?" : "Cancel and undo this run?"}
      confirm={ended ? "Undo" : "Cancel and undo"}
      danger
      wide
      onClose={onClose}
      onConfirm={() => act.mutate(undefined)}
      busy={act.isPending}
      disabled={preview.isPending || preview.isError}
      refusal={refusalOf(act.error)}
    >
      <p>
        {ended ? "" : "It is cancelled first, and the undo waits until it is quiet. "}Then the compensation of each
        completed step runs, the latest first, each a durable step of its own. An undone run cannot be retried, only
        forked.
      </p>
      {preview.isPending ? <Skeleton rows={3} /> : null}
      {preview.isError ? (
        <Failure what="The preview" error={preview.error} onRetry={() => void preview.refetch()} />
      ) : null}
      {preview.isSuccess && steps.every((step) => !step.undo) ? (
        <Notice title="Nothing to compensate">
          No step that ran declares a compensation. {ended ? "" : "The run would only be cancelled."}
        </Notice>
      ) : null}
      {steps.length > 0 ? <Compensations steps={steps} /> : null}
      {children.length > 0 && !ended ? (
        <ChildrenCheck detail={detail} checked={withChildren} onChange={setWithChildren} />
      ) : null}
    </Dialog>
  );
}

/** In the order in which they run. A step that was in flight is shown as what it is: maybe done. */
export function Compensations({ steps }: { steps: UndoView["compensations"] }) {
  return (
    <ol className="undo-list">
      {steps.map((step, index) => (
        <li key={`${step.seq}-${step.childRunId ?? ""}-${index}`} data-none={step.undo ? undefined : true}>
          {step.status === "completed" || step.status === "failed" || step.status === "running" ? (
            <StatusIcon status={step.status} />
          ) : (
            <Glyph name={step.undo ? "undo" : "minus"} />
          )}
          <div>
            <div>
              <strong title={step.undo}>{step.undo ? `Undo ${step.step}` : step.step}</strong>{" "}
              <span className="muted">
                {step.undo ? "" : "declares no compensation, "}step {step.seq}
                {step.childRunId ? ` of child ${shortId(step.childRunId)}` : ""}
              </span>
            </div>
            {step.executing ? (
              <p className="small">It is executing now: the undo waits for its end.</p>
            ) : step.maybe ? (
              <p className="small">It began and its end is unknown: it may have had its effect.</p>
            ) : null}
            {step.error ? <p className="field-error">{step.error}</p> : null}
            {step.output !== undefined ? (
              <JsonView value={step.output as Json} open={0} label={`Output of ${step.step}`} />
            ) : null}
          </div>
        </li>
      ))}
    </ol>
  );
}

function ChildrenCheck({
  detail,
  checked,
  onChange,
}: {
  detail: RunDetail;
  checked: boolean;
  onChange: (on: boolean) => void;
}) {
  const open = detail.children.filter((child) => !child.finishedAt).length;
  return (
    <label className="check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} />
      <span>Cancel the runs that it started too{open > 0 ? ` (${open} open)` : ""}</span>
    </label>
  );
}

function ContinueDialog({ detail, onClose }: OneProps) {
  const { run } = detail;
  const act = useAct(detail, () => continueRun(run.id), "Continued.", onClose);
  return (
    <Dialog
      title="Continue past the breakpoint?"
      confirm="Continue"
      onClose={onClose}
      onConfirm={() => act.mutate(undefined)}
      busy={act.isPending}
      refusal={refusalOf(act.error)}
    >
      <p>
        The run is parked at <strong>{run.waiting?.name ?? "a breakpoint"}</strong>. It goes on with its next step.
      </p>
    </Dialog>
  );
}

function RedispatchDialog({ detail, onClose }: OneProps) {
  const { run } = detail;
  const [force, setForce] = useState(false);
  const act = useAct(
    detail,
    () => redispatchRun(run.id, force),
    (answer) => (answer.redispatched ? "Re-dispatched." : "It is on its queue already."),
    onClose,
  );
  return (
    <Dialog
      title="Re-dispatch this run?"
      confirm="Re-dispatch"
      onClose={onClose}
      onConfirm={() => act.mutate(undefined)}
      busy={act.isPending}
      refusal={refusalOf(act.error)}
    >
      <p>
        For a run whose worker is lost: it is put back on its queue, and another worker goes on from the last completed
        step. If the old worker still lives, its late result is dropped, but the step in flight runs twice.
      </p>
      {isHeld(run) ? null : (
        <label className="check">
          <input type="checkbox" checked={force} onChange={(event) => setForce(event.target.checked)} />
          <span>I know that its worker is gone, although nothing reports so</span>
        </label>
      )}
    </Dialog>
  );
}

function InputDialog({ detail, onClose }: OneProps) {
  const { run } = detail;
  const whole = useQuery({
    ...payloadQuery(run.id, "input"),
    enabled: run.truncated?.fields.includes("input") ?? false,
  });
  const original = whole.data !== undefined ? whole.data : (run.input ?? null);
  const [edited, setEdited] = useState<string | null>(null);
  const text = edited ?? JSON.stringify(original, null, 2);
  const parsed = parseJson(text);
  const act = useAct(detail, (input: Json) => retryWithInput(run.id, input), "Started a new run.", onClose, openAnswer);
  return (
    <Dialog
      title="Run again with other input"
      confirm="Start"
      dismiss="Not now"
      wide
      onClose={onClose}
      onConfirm={() => {
        if (parsed.error === null) act.mutate(parsed.value);
      }}
      busy={act.isPending}
      disabled={parsed.error !== null || whole.isLoading}
      refusal={refusalOf(act.error)}
    >
      <p>
        Starts a new run of <strong>{run.workflow}</strong>, linked to this one. This one stays as it is.
      </p>
      <JsonField label="Input" text={text} onText={setEdited} error={parsed.error} />
    </Dialog>
  );
}

function SignalDialog({ detail, onClose }: OneProps) {
  const { run } = detail;
  const [topic, setTopic] = useState(run.waiting?.name ?? "");
  const [text, setText] = useState("");
  const parsed = parseJson(text);
  const [key] = useState(newKey);
  const act = useAct(
    detail,
    (message: Json) => sendSignal(run.id, topic.trim(), message, key),
    "Signal sent.",
    onClose,
  );
  return (
    <Dialog
      title="Send a signal"
      confirm="Send"
      dismiss="Not now"
      onClose={onClose}
      onConfirm={() => {
        if (parsed.error === null) act.mutate(parsed.value);
      }}
      busy={act.isPending}
      disabled={parsed.error !== null || topic.trim() === ""}
      refusal={refusalOf(act.error)}
    >
      <p>The message waits in the run's mailbox until the workflow receives that topic.</p>
      <label className="field">
        <span>Topic</span>
        <input className="input" value={topic} onChange={(event) => setTopic(event.target.value)} />
      </label>
      <JsonField label="Message (JSON)" text={text} onText={setText} error={parsed.error} />
    </Dialog>
  );
}

function ForkDialog({ detail, seq, onClose }: OneProps & { seq: number | null }) {
  const steps: Step[] = detail.timeline.filter((step) => step.compensates === undefined && !step.housekeeping);
  const failed = steps.findLast((step) => step.status === "failed");
  const [from, setFrom] = useState(seq ?? failed?.seq ?? steps[0]?.seq ?? 0);
  const act = useAct(detail, () => forkRun(detail.run.id, from), "Forked.", onClose, openAnswer);
  const kept = steps.filter((step) => step.seq < from).length;
  return (
    <Dialog
      title="Fork a new run"
      confirm="Fork"
      dismiss="Not now"
      onClose={onClose}
      onConfirm={() => act.mutate(undefined)}
      busy={act.isPending}
      disabled={steps.length === 0}
      refusal={refusalOf(act.error)}
    >
      <p>
        A new run with its own id takes over the results of the steps before, and runs from there on. This run stays as
        it is.
      </p>
      <label className="field">
        <span>From step</span>
        <select className="select" value={from} onChange={(event) => setFrom(Number(event.target.value))}>
          {steps.map((step) => (
            <option key={step.seq} value={step.seq}>
              {step.seq} · {step.name}
              {step.status === "failed" ? " (failed)" : ""}
            </option>
          ))}
        </select>
        <small className="muted">
          {kept === 0
            ? "Nothing is taken over: it begins anew."
            : kept === 1
              ? "1 step is taken over."
              : `${kept} steps are taken over.`}
        </small>
      </label>
    </Dialog>
  );
}
