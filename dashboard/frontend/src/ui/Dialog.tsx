import { type FormEvent, type ReactNode, useEffect, useId, useRef } from "react";
import { useCloseOverlay } from "../shell/overlay";
import { Button, IconButton } from "./Button";
import { Notice } from "./Notice";
import "./Dialog.css";

interface DialogProps {
  title: string;
  children?: ReactNode;
  /** Closes the overlay it stands in, when not given. */
  onClose?: () => void;
  onConfirm?: () => void;
  confirm?: string;
  danger?: boolean;
  busy?: boolean;
  disabled?: boolean;
  /** A refusal, in the server's own words. */
  refusal?: string | null;
  wide?: boolean;
  /** One way out, nothing to decide. */
  only?: boolean;
  dismiss?: string;
}

/** Asks before something happens. The browser's own modal: focus stays inside, Escape leaves. */
export function Dialog({
  title,
  children,
  onClose: given,
  onConfirm,
  confirm = "Confirm",
  danger = false,
  busy = false,
  disabled = false,
  refusal,
  wide = false,
  only = false,
  dismiss = "Keep as is",
}: DialogProps) {
  const closeOverlay = useCloseOverlay();
  const onClose = given ?? closeOverlay;
  const ref = useRef<HTMLDialogElement>(null);
  const headingId = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) {
      dialog.showModal();
      // The browser would choose the first button, which is the one that closes.
      dialog.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    }
    return () => dialog?.close();
  }, []);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (!busy && !disabled) onConfirm?.();
  };
  return (
    <dialog
      ref={ref}
      className="dialog"
      data-wide={wide || undefined}
      aria-labelledby={headingId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <form className="dialog-body" onSubmit={submit}>
        <header className="dialog-head">
          <h2 id={headingId}>{title}</h2>
          <IconButton icon="close" label="Close" onClick={onClose} />
        </header>
        <div className="dialog-content">
          {children}
          {refusal ? (
            <Notice tone="bad" title="Refused">
              {refusal}
            </Notice>
          ) : null}
        </div>
        {onConfirm ? (
          <footer className="dialog-foot">
            {only ? null : <Button onClick={onClose}>{dismiss}</Button>}
            <Button type="submit" tone={danger ? "danger" : "primary"} busy={busy} disabled={disabled} data-autofocus>
              {confirm}
            </Button>
          </footer>
        ) : null}
      </form>
    </dialog>
  );
}
