/** Keyboard shortcuts: one listener per page part, silent while somebody types or a dialog is open. */
import { useEffect, useEffectEvent } from "react";

export type KeyMap = Record<string, (event: KeyboardEvent) => void>;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement
    && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

/** Keys are ``event.key``; a sequence is written "g r". */
export function useKeys(map: KeyMap): void {
  const handlerOf = useEffectEvent((keys: string) => map[keys]);
  useEffect(() => {
    let prefix = "";
    let timer: number | undefined;
    const listen = (event: KeyboardEvent): void => {
      if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return;
      if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
      const handler = handlerOf(prefix ? `${prefix} ${event.key}` : event.key);
      window.clearTimeout(timer);
      if (handler) {
        prefix = "";
        event.preventDefault();
        handler(event);
        return;
      }
      prefix = prefix === "" && event.key === "g" ? "g" : "";
      if (prefix) timer = window.setTimeout(() => { prefix = ""; }, 1200);
    };
    window.addEventListener("keydown", listen);
    return () => {
      window.removeEventListener("keydown", listen);
      window.clearTimeout(timer);
    };
  }, []);
}
