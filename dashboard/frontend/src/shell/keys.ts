/** Keyboard shortcuts: one listener per page part, silent while somebody types or a dialog is open. */
import { useEffect, useEffectEvent } from "react";

/** A handler that finds nothing to do returns false: the key then keeps the meaning it has without us. */
export type KeyMap = Record<string, (event: KeyboardEvent) => boolean | void>;

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName))
  );
}

/** Keys that press, open or move within the control that has the focus. */
const OF_CONTROLS: ReadonlySet<string> = new Set([
  "Enter",
  " ",
  "ArrowDown",
  "ArrowUp",
  "ArrowLeft",
  "ArrowRight",
  "Home",
  "End",
]);
const CONTROL =
  "a[href], button, summary, [role=button], [role=link], [role=menuitem], [role=tab], [role=option], [role=combobox], [contenteditable]";

/** A shortcut never takes a key from the control that has the focus; rows of a list give up the arrows. */
function belongsToControl(event: KeyboardEvent): boolean {
  if (!OF_CONTROLS.has(event.key) || !(event.target instanceof Element) || !event.target.closest(CONTROL)) return false;
  return event.key === "Enter" || event.key === " " || event.target.closest("[data-row-link]") === null;
}

/** Keys are ``event.key``; a sequence is written "g r". */
export function useKeys(map: KeyMap): void {
  const handlerOf = useEffectEvent((keys: string) => map[keys]);
  useEffect(() => {
    let prefix = "";
    let timer: number | undefined;
    const listen = (event: KeyboardEvent): void => {
      if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return;
      if (isTyping(event.target) || belongsToControl(event) || document.querySelector("dialog[open]")) return;
      const handler = handlerOf(prefix ? `${prefix} ${event.key}` : event.key);
      window.clearTimeout(timer);
      if (handler) {
        prefix = "";
        if (handler(event) !== false) event.preventDefault();
        return;
      }
      prefix = prefix === "" && event.key === "g" ? "g" : "";
      if (prefix)
        timer = window.setTimeout(() => {
          prefix = "";
        }, 1200);
    };
    window.addEventListener("keydown", listen);
    return () => {
      window.removeEventListener("keydown", listen);
      window.clearTimeout(timer);
    };
  }, []);
}
