/** What a part says in place of its data: that it loads, that there is none, that it failed. They fetch nothing. */
import type { ReactNode } from "react";
import { ApiError, errorText, isNoDatabaseYet } from "../lib/errors";
import { Button } from "./Button";
import { Glyph, type IconName } from "./icons";
import "./Notice.css";

export function Skeleton({ rows = 6, kind = "line" }: { rows?: number; kind?: "line" | "block" }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        <span key={index} className={`bone ${kind}`} style={{ width: `${[92, 78, 86, 64, 81, 70][index % 6]}%` }} />
      ))}
    </div>
  );
}

export function Notice({
  tone = "info",
  title,
  children,
  actions,
}: {
  tone?: "info" | "warn" | "bad" | "good";
  title?: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
}) {
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
export function Empty({
  title,
  children,
  icon = "filter",
  whole = false,
}: {
  title: string;
  children?: ReactNode;
  icon?: IconName;
  whole?: boolean;
}) {
  const Heading = whole ? "h1" : "h2";
  return (
    <div className="empty">
      <span className="empty-icon">
        <Glyph name={icon} size={20} />
      </span>
      <Heading>{title}</Heading>
      {children ? <div className="empty-text">{children}</div> : null}
    </div>
  );
}

/** What went wrong, in the server's words, and a way on. */
export function Failure({ error, onRetry, what }: { error: unknown; onRetry?: () => void; what: string }) {
  if (isNoDatabaseYet(error)) {
    return (
      <div className="empty" role="status">
        <span className="empty-icon">
          <Glyph name="play" size={20} />
        </span>
        <h2>No database yet</h2>
        <div className="empty-text">{errorText(error)} This page continues by itself as soon as it is there.</div>
      </div>
    );
  }
  const title =
    error instanceof ApiError && error.status === 0 ? "The server cannot be reached" : `${what} could not be loaded`;
  return (
    <div className="empty" role="alert">
      <span className="empty-icon" data-tone="bad">
        <Glyph name="warn" size={20} />
      </span>
      <h2>{title}</h2>
      <div className="empty-text">{errorText(error)}</div>
      {onRetry ? (
        <Button icon="retry" onClick={onRetry}>
          Try again
        </Button>
      ) : null}
    </div>
  );
}
