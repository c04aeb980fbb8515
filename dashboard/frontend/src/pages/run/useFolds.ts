import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { stepsPartQuery } from "../../api/queries";
import type { Fold } from "../../api/wire";
import { errorText } from "../../lib/errors";
import { say } from "../../ui/toast";
import type { Opened } from "./folds";

/** Which folds are open, and how far each has been read. Parts are read as they are asked for. */
export function useFolds(runId: string) {
  const client = useQueryClient();
  const [opened, setOpened] = useState<ReadonlyMap<number, Opened>>(new Map());
  const [busy, setBusy] = useState<number | null>(null);

  const read = async (fold: Fold, from: number): Promise<void> => {
    setBusy(fold.first);
    try {
      const part = await client.fetchQuery(stepsPartQuery(runId, from));
      const steps = part.timeline.filter(({ seq, compensates }) => compensates === undefined && seq <= fold.last);
      const next = part.nextStep !== undefined && part.nextStep <= fold.last ? part.nextStep : null;
      setOpened((old) => {
        const before = from === fold.first ? [] : (old.get(fold.first)?.steps ?? []);
        return new Map(old).set(fold.first, { steps: [...before, ...steps], next });
      });
    } catch (error) {
      say(`The steps could not be read: ${errorText(error)}`, "bad");
    } finally {
      setBusy(null);
    }
  };
  const close = (fold: Fold): void => {
    const left = new Map(opened);
    left.delete(fold.first);
    setOpened(left);
  };
  return {
    opened,
    busy,
    toggle: (fold: Fold): void => (opened.has(fold.first) ? close(fold) : void read(fold, fold.first)),
    more: (fold: Fold): void => void read(fold, opened.get(fold.first)?.next ?? fold.first),
  };
}
