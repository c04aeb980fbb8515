/** Small parts that every page draws with. They fetch nothing. */
import { type ButtonHTMLAttributes, type ReactNode, useEffect, useRef, useState } from "react";
import { ApiError } from "../api/http";
import type { RunStatus } from "../api/wire";
import { STATUS_HINT, STATUS_LABEL } from "../lib/status";
import { Glyph, type IconName, StatusIcon } from "./icons";

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  icon?: IconName;
  tone?: "plain" | "primary" | "danger" | "quiet";
  busy?: boolean;
};

export function Button({ icon, tone = "plain", busy = false, children, className, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button" className={className ? `btn ${className}` : "btn"} data-tone={tone} data-busy={busy || undefined}
      disabled={disabled || busy} {...rest}
    >
      {icon ? <Glyph name={icon} /> : null}
      {children === undefined ? null : <span>{children}</span>}
    </button>
  );
}

export function IconButton({ icon, label, ...rest }: ButtonHTMLAttributes<HTMLButtonElement> & { icon: IconName; label: string }) {
  return (
    <button type="button" className="icon-btn" aria-label={label} title={label} {...rest}>
      <Glyph name={icon} />
    </button>
  );
}

export function StatusBadge({ status }: { status: RunStatus }) {
  return (
    <span className="badge" data-status={status} title={STATUS_HINT[status]}>
      <StatusIcon status={status} />
      {STATUS_LABEL[status]}
    </span>
  );
}

/** Copies text; says so for a moment. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = window.setTimeout(() => setDone(false), 1400);
    return () => window.clearTimeout(timer);
  }, [done]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      copyByHand(text);
    }
    setDone(true);
  };
  return (
    <button type="button" className="icon-btn copy" aria-label={done ? "Copied" : label} title={done ? "Copied" : label} onClick={() => void copy()}>
      <Glyph name={done ? "check" : "copy"} />
    </button>
  );
}

/** For pages served without TLS, where the clipboard API is missing. */
function copyByHand(text: string): void {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export function Skeleton({ rows = 6, kind = "line" }: { rows?: number; kind?: "line" | "block" }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        <span key={index} className={`bone ${kind}`} style={{ width: `${[92, 78, 86, 64, 81, 70][index % 6]}%` }} />
      ))}
    </div>
  );
}

export function Notice({ tone = "info", title, children, actions }: { tone?: "info" | "warn" | "bad" | "good"; title?: ReactNode; children?: ReactNode; actions?: ReactNode }) {
  return (
    <div className="notice" data-tone={tone} role={tone === "bad" ? "alert" : undefined}>
      <div className="notice-text">
        {title ? <strong>{title}</strong> : null}
        {children ? <div>{children}</div> : null}
      </div>
      {actions ? <div className="notice-actions">{actions}</div> : null}
    </div>
  );
}

/** ``whole``: it is all that the page has to say, and so its heading. */
export function Empty({ title, children, icon = "filter", whole = false }: { title: string; children?: ReactNode; icon?: IconName; whole?: boolean }) {
  const Heading = whole ? "h1" : "h2";
  return (
    <div className="empty">
      <span className="empty-icon"><Glyph name={icon} size={20} /></span>
      <Heading>{title}</Heading>
      {children ? <div className="empty-text">{children}</div> : null}
    </div>
  );
}

/** What went wrong, in the server's words, and a way on. */
export function Failure({ error, onRetry, what }: { error: unknown; onRetry?: () => void; what: string }) {
  const title = error instanceof ApiError && error.status === 0 ? "The server cannot be reached" : `${what} could not be loaded`;
  return (
    <div className="empty" role="alert">
      <span className="empty-icon" data-tone="bad"><Glyph name="warn" size={20} /></span>
      <h2>{title}</h2>
      <div className="empty-text">{errorText(error)}</div>
      {onRetry ? <Button icon="retry" onClick={onRetry}>Try again</Button> : null}
    </div>
  );
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : "Something unexpected happened.";
}

interface TabsProps<T extends string> {
  label: string;
  tabs: { id: T; label: string; count?: string }[];
  active: T;
  onSelect: (id: T) => void;
}

/** Tabs by the ARIA pattern: arrows move, the selected one takes focus. */
export function Tabs<T extends string>({ label, tabs, active, onSelect }: TabsProps<T>) {
  const list = useRef<HTMLDivElement>(null);
  const move = (step: number): void => {
    const index = tabs.findIndex((tab) => tab.id === active);
    const next = tabs[(index + step + tabs.length) % tabs.length];
    if (!next) return;
    onSelect(next.id);
    list.current?.querySelector<HTMLButtonElement>(`[data-tab="${next.id}"]`)?.focus();
  };
  return (
    <div
      className="tabs" role="tablist" aria-label={label} ref={list}
      onKeyDown={(event) => {
        if (event.key === "ArrowRight") move(1);
        else if (event.key === "ArrowLeft") move(-1);
        else return;
        event.preventDefault();
      }}
    >
      {tabs.map((tab) => (
        <button
          key={tab.id} type="button" role="tab" className="tab" data-tab={tab.id} aria-selected={tab.id === active}
          tabIndex={tab.id === active ? 0 : -1} onClick={() => onSelect(tab.id)}
        >
          {tab.label}
          {tab.count === undefined ? null : <span className="tab-count">{tab.count}</span>}
        </button>
      ))}
    </div>
  );
}

export function Kbd({ children }: { children: ReactNode }) {
  return <kbd>{children}</kbd>;
}
