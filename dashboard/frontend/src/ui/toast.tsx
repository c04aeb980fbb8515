/** Short outcomes, announced politely. */
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from "react";
import { IconButton } from "./Button";
import "./toast.css";

interface Toast {
  id: number;
  tone: "good" | "bad";
  text: ReactNode;
}

type Say = (text: ReactNode, tone?: "good" | "bad") => void;

const ToastContext = createContext<Say>(() => undefined);
const SHOWN_MS = 6000;

export function useToast(): Say {
  return useContext(ToastContext);
}

export function ToastProvider({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const drop = useCallback((id: number) => setToasts((all) => all.filter((toast) => toast.id !== id)), []);
  const say = useCallback<Say>(
    (text, tone = "good") => {
      const id = Date.now() + Math.random();
      setToasts((all) => [...all.slice(-3), { id, tone, text }]);
      window.setTimeout(() => drop(id), SHOWN_MS);
    },
    [drop],
  );
  const list = useMemo(() => toasts, [toasts]);
  return (
    <ToastContext.Provider value={say}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {list.map((toast) => (
          <div key={toast.id} className="toast" data-tone={toast.tone}>
            <span>{toast.text}</span>
            <IconButton icon="close" label="Dismiss" onClick={() => drop(toast.id)} />
          </div>
        ))}
      </div>
    </ToastContext.Provider>
  );
}
