import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import "./Menu.css";

/** A button with a small panel below it. Escape and a click outside close it. */
export function Popover({
  label,
  button,
  end = false,
  children,
}: {
  label: string;
  button: ReactNode;
  /** Below the button's right edge, for one that stands at the right of the page. */
  end?: boolean;
  children: (close: () => void) => ReactNode;
}) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const triggerId = useId();
  useEffect(() => {
    if (!open) return;
    const outside = (event: MouseEvent): void => {
      if (event.target instanceof Node && !root.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("mousedown", outside);
    return () => document.removeEventListener("mousedown", outside);
  }, [open]);
  const close = (): void => {
    setOpen(false);
    document.getElementById(triggerId)?.focus();
  };
  return (
    <div
      className="menu"
      ref={root}
      onKeyDown={(event) => {
        if (open && event.key === "Escape") {
          event.preventDefault();
          event.stopPropagation();
          close();
        }
      }}
    >
      <button
        id={triggerId}
        type="button"
        className="btn"
        aria-expanded={open}
        aria-haspopup="dialog"
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open ? (
        <div className="popover" data-end={end || undefined} role="dialog" aria-label={label}>
          {children(close)}
        </div>
      ) : null}
    </div>
  );
}
