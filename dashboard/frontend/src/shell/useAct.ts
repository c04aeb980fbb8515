/** How every action of the page is sent, reported and followed by fresh reads. */
import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { say } from "../ui/toast";
import { keys } from "../api/keys";

interface Act<V, A> {
  send: (value: V) => Promise<A>;
  /** What to report when it is done; null when the part that asked shows it itself. */
  said: string | null | ((answer: A, value: V) => string);
  /** Answers that it makes old: of all runs and the log always, of these too. */
  touches?: readonly QueryKey[];
  /** For the part that asked, if it is still there: a late answer never touches what the person does by then. */
  then?: (answer: A) => void;
}

/** What the server found worth knowing, besides that it was done. */
function notesOf(answer: unknown): string[] {
  const notes = typeof answer === "object" && answer !== null && "notes" in answer ? answer.notes : null;
  return Array.isArray(notes) ? notes.filter((note): note is string => typeof note === "string") : [];
}

/** A refusal stays with the part that asked (``error``), in the server's words. */
export function useAct<V, A>({ send, said, touches = [], then }: Act<V, A>) {
  const client = useQueryClient();
  const { mutate, error, isPending, isSuccess, data } = useMutation({
    mutationFn: send,
    onSuccess: (answer, value) => {
      const words = typeof said === "function" ? said(answer, value) : said;
      if (words !== null) say([words, ...notesOf(answer)].join(" "));
      for (const queryKey of [keys.facetsOfAll, keys.audit, ...touches]) void client.invalidateQueries({ queryKey });
      // The list in sight hears of it by its stream, or looks every few seconds; one out of sight reads again.
      void client.invalidateQueries({ queryKey: keys.runLists, refetchType: "none" });
    },
  });
  return {
    act: (value: V): void => mutate(value, { onSuccess: (answer) => then?.(answer) }),
    error,
    isPending,
    isSuccess,
    data,
  };
}
