/** Short outcomes, announced politely. What went wrong stays until it is dismissed. */
import { type ReactNode, useEffect, useState } from "react";
import { makeCell, useCell } from "../lib/cell";
import { IconButton } from "./Button";
import "./toast.css";

interface Toast {
  id: number;
  tone: "good" | "bad";
  text: ReactNode;
}

const MOST = 4;
const SHOWN_MS = 6000;
const toasts = makeCell<readonly Toast[]>([]);
let lastId = 0;

const drop = (id: number): void => toasts.set(toasts.get().filter((toast) => toast.id !== id));

/** Say something to the person at the page. */
export function say(text: ReactNode, tone: "good" | "bad" = "good"): void {
  lastId += 1;
  toasts.set([...toasts.get().slice(1 - MOST), { id: lastId, tone, text }]);
}

/** Goes by itself after a while, unless it is pointed at or is about trouble. */
function ToastView({ toast }: { toast: Toast }) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held || toast.tone === "bad") return;
    const timer = window.setTimeout(() => drop(toast.id), SHOWN_MS);
    return () => window.clearTimeout(timer);
  }, [held, toast]);
  return (
    <div
      className="toast"
      data-tone={toast.tone}
      role={toast.tone === "bad" ? "alert" : undefined}
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <span>{toast.text}</span>
      <IconButton icon="close" label="Dismiss" onClick={() => drop(toast.id)} />
    </div>
  );
}

export function Toasts() {
  const all = useCell(toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {all.map((toast) => (
        <ToastView key={toast.id} toast={toast} />
      ))}
    </div>
  );
}
