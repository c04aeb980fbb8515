import type { ButtonHTMLAttributes } from "react";
import { Glyph, type IconName } from "./icons";
import "./Button.css";

export type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  icon?: IconName | undefined;
  tone?: "plain" | "primary" | "danger" | "quiet";
  busy?: boolean;
};

export function Button({ icon, tone = "plain", busy = false, children, className, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className={className ? `btn ${className}` : "btn"}
      data-tone={tone}
      data-busy={busy || undefined}
      disabled={disabled || busy}
      {...rest}
    >
      {icon ? <Glyph name={icon} /> : null}
      {children === undefined ? null : <span>{children}</span>}
    </button>
  );
}

export function IconButton({
  icon,
  label,
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & { icon: IconName; label: string }) {
  return (
    <button type="button" className="icon-btn" aria-label={label} title={label} {...rest}>
      <Glyph name={icon} />
    </button>
  );
}
