import { keys } from "../../../api/keys";
import { useCloseOverlay } from "../../../shell/overlay";
import { useAct } from "../../../shell/useAct";
import { errorText } from "../../../lib/errors";

/** An action on one run from a dialog: done, it closes the dialog and reads the run again; refused, it stays and says why. */
export function useRunAct<V, A>(
  runId: string,
  send: (value: V) => Promise<A>,
  said: string | ((answer: A) => string),
  then?: (answer: A) => void,
) {
  const close = useCloseOverlay();
  const { act, error, isPending } = useAct({
    send,
    said,
    touches: [keys.run(runId)],
    then: (answer: A) => {
      close();
      then?.(answer);
    },
  });
  return { act, busy: isPending, refusal: error ? errorText(error) : null };
}
