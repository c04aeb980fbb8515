/** The keyboard of a list under an input: arrows move, Enter picks, the input keeps the focus (ARIA combobox). */
import { type KeyboardEvent, useId, useState } from "react";

export interface Listbox {
  listId: string;
  active: number;
  setActive: (index: number) => void;
  optionId: (index: number) => string;
  onKeyDown: (event: KeyboardEvent) => void;
}

/** ``count`` options; ``onPick`` gets the index of the active one. */
export function useListbox(count: number, onPick: (index: number) => void): Listbox {
  const listId = useId();
  const [wanted, setActive] = useState(0);
  const active = Math.min(wanted, count - 1);
  const optionId = (index: number): string => `${listId}-${index}`;
  const move = (index: number): void => {
    setActive(index);
    document.getElementById(optionId(index))?.scrollIntoView({ block: "nearest" });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (count === 0 || event.nativeEvent.isComposing) return;
    if (event.key === "ArrowDown") move((active + 1) % count);
    else if (event.key === "ArrowUp") move((active - 1 + count) % count);
    else if (event.key === "Enter" && active >= 0) onPick(active);
    else return;
    event.preventDefault();
  };
  return { listId, active, setActive, optionId, onKeyDown };
}
