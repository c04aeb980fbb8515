import { useEffect, useState } from "react";
import { copyText } from "../lib/clipboard";
import { Glyph } from "./icons";
import "./Button.css";

/** Copies text; says so for a moment. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = window.setTimeout(() => setDone(false), 1400);
    return () => window.clearTimeout(timer);
  }, [done]);
  const copy = async (): Promise<void> => {
    if (await copyText(text)) setDone(true);
  };
  return (
    <button
      type="button"
      className="icon-btn copy"
      aria-label={done ? "Copied" : label}
      title={done ? "Copied" : label}
      onClick={() => void copy()}
    >
      <Glyph name={done ? "check" : "copy"} />
    </button>
  );
}
