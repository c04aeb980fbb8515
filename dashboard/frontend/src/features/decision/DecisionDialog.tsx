import type { QueryKey } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { errorText } from "../../lib/errors";
import { useCloseOverlay } from "../../shell/overlay";
import { useAct } from "../../shell/useAct";
import { Dialog } from "../../ui/Dialog";

interface Props {
  title: string;
  text: string;
  confirm: string;
  said: string;
  /** What somebody might write, as an example. */
  example: string;
  send: (note: string) => Promise<unknown>;
  touches: readonly QueryKey[];
  /** What else is decided. */
  children?: ReactNode;
}

const NOTE_CHARS = 2000;

/** Decide about a failure, or about all of a kind, with a note for those who come after. */
export function DecisionDialog({ title, text, confirm, said, example, send, touches, children }: Props) {
  const [note, setNote] = useState("");
  const close = useCloseOverlay();
  const { act, isPending, error } = useAct({ send: () => send(note.trim()), said, touches, then: close });
  return (
    <Dialog
      title={title}
      confirm={confirm}
      onConfirm={() => act(undefined)}
      busy={isPending}
      refusal={error ? errorText(error) : null}
    >
      <p>{text}</p>
      {children}
      <label className="field">
        <span>Note</span>
        <input
          className="input"
          value={note}
          maxLength={NOTE_CHARS}
          placeholder={example}
          data-autofocus
          onChange={(event) => setNote(event.target.value)}
        />
      </label>
    </Dialog>
  );
}
