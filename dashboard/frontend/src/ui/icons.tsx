/** Icons, 16 by 16, drawn with the current colour. Shape says as much as colour does. */
import type { ReactNode } from "react";
import type { StepKind } from "../api/wire";
import type { AnyStatus } from "../lib/status";
import "./icons.css";

interface IconProps {
  children: ReactNode;
  className?: string;
  size?: number;
}

function Icon({ children, className, size = 16 }: IconProps) {
  return (
    <svg
      className={className ? `icon ${className}` : "icon"}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

const STATUS_SHAPES: Record<AnyStatus, ReactNode> = {
  pending: <circle cx="8" cy="8" r="5.5" strokeDasharray="2.2 2.1" />,
  running: (
    <>
      <circle cx="8" cy="8" r="5.5" opacity=".28" />
      <path className="spin" d="M8 2.5a5.5 5.5 0 0 1 5.5 5.5" />
    </>
  ),
  suspended: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M6.6 6v4M9.4 6v4" />
    </>
  ),
  cancelling: (
    <>
      <path d="M3 8a5 5 0 1 0 1.6-3.7" />
      <path d="M3 2.6v2.6h2.6" />
    </>
  ),
  completed: (
    <>
      <circle cx="8" cy="8" r="6.25" fill="currentColor" stroke="none" />
      <path d="m5.4 8.2 1.8 1.8 3.4-3.8" stroke="var(--on-status)" />
    </>
  ),
  failed: (
    <>
      <circle cx="8" cy="8" r="6.25" fill="currentColor" stroke="none" />
      <path d="m6 6 4 4m0-4-4 4" stroke="var(--on-status)" />
    </>
  ),
  cancelled: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="m4.3 11.7 7.4-7.4" />
    </>
  ),
  dead: (
    <>
      <path d="M5.3 1.75h5.4l3.55 3.55v5.4l-3.55 3.55H5.3L1.75 10.7V5.3z" fill="currentColor" stroke="none" />
      <path d="M8 4.8v3.7M8 11.1v.1" stroke="var(--on-status)" />
    </>
  ),
  interrupted: (
    <>
      <path d="M8 2.5a5.5 5.5 0 0 0 0 11" />
      <path d="M10.2 3a5.5 5.5 0 0 1 0 10" strokeDasharray="1.6 2" />
      <path d="m8.8 5-1.6 3h2L7.6 11" />
    </>
  ),
  lost: (
    <>
      <path d="M8 2.5a5.5 5.5 0 0 0 0 11" />
      <path d="M10.2 3a5.5 5.5 0 0 1 0 10" strokeDasharray="1.6 2" />
      <path d="m8.8 5-1.6 3h2L7.6 11" />
    </>
  ),
  blocked: (
    <>
      <path d="M8 2.2 14 13H2z" />
      <path d="M8 6.4v3M8 11.2v.1" />
    </>
  ),
};

export function StatusIcon({ status, size }: { status: AnyStatus; size?: number }) {
  return (
    <span className="status-icon" data-status={status}>
      <Icon size={size}>{STATUS_SHAPES[status]}</Icon>
    </span>
  );
}

const KIND_SHAPES: Record<StepKind, ReactNode> = {
  local: <path d="M5.5 3.5 2 8l3.5 4.5M10.5 3.5 14 8l-3.5 4.5" />,
  remote: (
    <>
      <rect x="2" y="5.5" width="8" height="8" rx="1.5" />
      <path d="M8.5 2H14v5.5M14 2 8 8" />
    </>
  ),
  sleep: (
    <>
      <circle cx="8" cy="8" r="5.75" />
      <path d="M8 4.8V8l2.3 1.6" />
    </>
  ),
  signal: (
    <>
      <circle cx="8" cy="8" r="1.4" fill="currentColor" />
      <path d="M5 11a4.3 4.3 0 0 1 0-6M11 5a4.3 4.3 0 0 1 0 6M3 13A7.1 7.1 0 0 1 3 3M13 3a7.1 7.1 0 0 1 0 10" />
    </>
  ),
};

export function KindIcon({ kind, size }: { kind: StepKind; size?: number }) {
  return (
    <Icon className="kind-icon" size={size}>
      {KIND_SHAPES[kind]}
    </Icon>
  );
}

const SHAPES = {
  search: <path d="M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm3.6-1.4L14 14" />,
  close: <path d="m4 4 8 8m0-8-8 8" />,
  copy: (
    <>
      <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
      <path d="M10.5 3v-.5h-8v8H3" />
    </>
  ),
  check: <path d="m3.5 8.5 3 3 6-7" />,
  retry: <path d="M13 8a5 5 0 1 1-1.6-3.7M13 2.6v2.6h-2.6" />,
  undo: <path d="M3 8a5 5 0 1 0 1.6-3.7M3 2.6v2.6h2.6" />,
  stop: <rect x="4" y="4" width="8" height="8" rx="1" />,
  play: <path d="M5 3.5v9l7-4.5z" />,
  pause: <path d="M5.5 3.5v9M10.5 3.5v9" />,
  compare: <path d="M2.5 4.5h4M2.5 8h4M2.5 11.5h4M9.5 4.5h4M9.5 8h2M9.5 11.5h4" />,
  fork: (
    <>
      <circle cx="4" cy="3.5" r="1.5" />
      <circle cx="12" cy="3.5" r="1.5" />
      <circle cx="4" cy="12.5" r="1.5" />
      <path d="M4 5v6M12 5c0 3.5-8 2-8 5" />
    </>
  ),
  more: (
    <>
      <circle cx="3.5" cy="8" r=".8" fill="currentColor" />
      <circle cx="8" cy="8" r=".8" fill="currentColor" />
      <circle cx="12.5" cy="8" r=".8" fill="currentColor" />
    </>
  ),
  external: <path d="M6.5 3.5H3v9.5h9.5V9.5M9 2.5h4.5V7M13.5 2.5 7.5 8.5" />,
  chevron: <path d="m6 4 4 4-4 4" />,
  down: <path d="m4 6 4 4 4-4" />,
  sun: (
    <>
      <circle cx="8" cy="8" r="2.8" />
      <path d="M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" />
    </>
  ),
  moon: <path d="M13 9.6A5.6 5.6 0 0 1 6.4 3 5.6 5.6 0 1 0 13 9.6Z" />,
  auto: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M8 2.5v11A5.5 5.5 0 0 0 8 2.5Z" fill="currentColor" />
    </>
  ),
  help: <path d="M6 6.2a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.3M8 11.6v.1" />,
  warn: <path d="M8 2.2 14 13H2zM8 6.4v3M8 11.2v.1" />,
  download: <path d="M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.5h10" />,
  link: <path d="M6.5 9.5 9.5 6.5M7 4.5 8.5 3a3.2 3.2 0 0 1 4.5 4.5L11.5 9M9 11.5 7.5 13A3.2 3.2 0 0 1 3 8.5L4.5 7" />,
  filter: <path d="M2.5 4h11M4.5 8h7M6.5 12h3" />,
  send: <path d="M2.5 8h10M8.5 4l4 4-4 4" />,
  plus: <path d="M8 3v10M3 8h10" />,
  minus: <path d="M3 8h10" />,
  fit: <path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10" />,
  bookmark: <path d="M4.5 2.5h7v11L8 10.8 4.5 13.5z" />,
  star: <path d="m8 2.2 1.7 3.6 3.9.5-2.9 2.7.8 3.9L8 11l-3.5 1.9.8-3.9L2.4 6.3l3.9-.5z" />,
  columns: <path d="M2.5 3h11v10h-11zM6.2 3v10M9.9 3v10" />,
  up: <path d="m4 10 4-4 4 4" />,
  edit: <path d="M3 13h2.5L13 5.5 10.5 3 3 10.5zM9 4.5 11.5 7" />,
  trash: <path d="M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.7 9h5.6l.7-9M6.8 7v4M9.2 7v4" />,
  flag: <path d="M4 14V2.5h8L10 5.5l2 3H4" />,
} as const;

export type IconName = keyof typeof SHAPES;

export function Glyph({ name, size }: { name: IconName; size?: number }) {
  return <Icon size={size}>{SHAPES[name]}</Icon>;
}

/** The mark: waiting, working, done. */
export function Mark() {
  return (
    <svg className="mark" width="26" height="16" viewBox="0 0 26 16" fill="none" aria-hidden="true" focusable="false">
      <path d="M1 8h2.4M5 8h2.4" stroke="currentColor" strokeWidth="4" opacity=".42" />
      <path d="M9 8h9" stroke="currentColor" strokeWidth="4" />
      <circle cx="22.4" cy="8" r="2.6" fill="var(--completed)" />
    </svg>
  );
}
