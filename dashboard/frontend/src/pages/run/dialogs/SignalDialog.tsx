import { useState } from "react";
import { newKey, sendSignal } from "../../../api/actions";
import type { RunDetail } from "../../../api/wire";
import type { ExactJson } from "../../../lib/exactJson";
import { Dialog } from "../../../ui/Dialog";
import { JsonField, parseJson } from "../../../ui/JsonField";
import { useRunAct } from "./useRunAct";

export function SignalDialog({ detail: { run } }: { detail: RunDetail }) {
  const [topic, setTopic] = useState(run.waiting?.name ?? "");
  const [text, setText] = useState("");
  const parsed = parseJson(text);
  const [key] = useState(newKey);
  const { act, busy, refusal } = useRunAct(
    run.id,
    (message: ExactJson) => sendSignal(run.id, topic.trim(), message, key),
    "Signal sent.",
  );
  return (
    <Dialog
      title="Send a signal"
      confirm="Send"
      dismiss="Not now"
      onConfirm={() => {
        if (parsed.error === null) act(parsed.value);
      }}
      busy={busy}
      disabled={parsed.error !== null || topic.trim() === ""}
      refusal={refusal}
    >
      <p>The message waits in the run's mailbox until the workflow receives that topic.</p>
      <label className="field">
        <span>Topic</span>
        <input
          className="input"
          value={topic}
          data-autofocus={topic === "" || undefined}
          onChange={(event) => setTopic(event.target.value)}
        />
      </label>
      <JsonField label="Message (JSON)" text={text} onText={setText} error={parsed.error} autoFocus />
    </Dialog>
  );
}
