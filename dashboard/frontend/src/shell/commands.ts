/**
 * What can be done on the page now. Each part that is on screen registers its commands; buttons, menus, shortcuts, the
 * list of keys and Ctrl-K all draw from here.
 */
import { useEffect, useEffectEvent } from "react";
import { makeCell } from "../lib/cell";
import type { IconName } from "../ui/icons";

export interface Command {
  /** Stable, such as "run.retry". */
  id: string;
  label: string;
  icon?: IconName;
  /** ``event.key`` each; a sequence is written "g r". */
  keys?: readonly string[];
  /** Why it cannot be done now. It is shown all the same, and its keys do nothing. */
  disabled?: string | null | undefined;
  danger?: boolean;
  /** Keys that move about are no commands to choose from a list. */
  keysOnly?: boolean;
  /** False when there was nothing to do: the key then keeps the meaning it has without us. */
  run: () => boolean | void;
}

export interface CommandGroup {
  title: string;
  commands: readonly Command[];
}

type Source = () => CommandGroup;
const sources = makeCell<readonly Source[]>([]);

/** The groups on screen, the innermost part first. To be called when something happens, not while drawing. */
export function commandGroups(): CommandGroup[] {
  return sources
    .get()
    .map((source) => source())
    .reverse();
}

/** Offer commands while a part is on screen. The latest registered part's keys win. */
export function useCommands(title: string, commands: readonly Command[]): void {
  const read = useEffectEvent((): CommandGroup => ({ title, commands }));
  useEffect(() => {
    const source: Source = () => read();
    sources.set([...sources.get(), source]);
    return () => sources.set(sources.get().filter((entry) => entry !== source));
  }, []);
}

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
  "a[href], button, summary, [role=button], [role=link], [role=menuitem], [role=tab], [role=option], [role=combobox]";

/** A shortcut never takes a key from the control that has the focus; rows of a list give up the arrows. */
function belongsToControl(event: KeyboardEvent): boolean {
  if (!OF_CONTROLS.has(event.key) || !(event.target instanceof Element) || !event.target.closest(CONTROL)) return false;
  return event.key === "Enter" || event.key === " " || event.target.closest("[data-row-link]") === null;
}

function find(keys: string): Command | undefined {
  for (const { commands } of commandGroups()) {
    const command = commands.find((entry) => entry.keys?.includes(keys));
    if (command) return command;
  }
  return undefined;
}

const PREFIX = "g";
const PREFIX_MS = 1200;

/** Turn keys into commands. Silent while somebody types or a dialog is open. One listener for the whole page. */
export function listenToKeys(): () => void {
  let prefix = "";
  let timer: number | undefined;
  const listen = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      const palette = find("Ctrl K");
      if (palette && palette.run() !== false) event.preventDefault();
      return;
    }
    if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target) || belongsToControl(event)) return;
    const command = find(prefix ? `${prefix} ${event.key}` : event.key);
    window.clearTimeout(timer);
    if (command) {
      prefix = "";
      if (!command.disabled && command.run() !== false) event.preventDefault();
      return;
    }
    prefix = prefix === "" && event.key === PREFIX ? PREFIX : "";
    if (prefix) {
      timer = window.setTimeout(() => {
        prefix = "";
      }, PREFIX_MS);
    }
  };
  window.addEventListener("keydown", listen);
  return () => {
    window.removeEventListener("keydown", listen);
    window.clearTimeout(timer);
  };
}
