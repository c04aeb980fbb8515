/** One run, kept true by its stream. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { keys } from "../api/keys";
import { askedFor, runQuery } from "../api/queries";
import type { RunDetail, RunSnapshot, Step } from "../api/wire";
import { runSegment } from "../lib/runSegment";
import { tick } from "./order";
import { follow } from "./share";
import { rowOf, runs as store, withRow } from "./store";
import type { Message } from "./stream";

const SOON_MS = 150;
const LONGEST_PAUSE_MS = 5000;

/** A timeline with one step as an event has it; one that is new comes with the next read, where it belongs. */
function withStep(timeline: Step[], step: Step): Step[] {
  return timeline.some(({ seq }) => seq === step.seq)
    ? timeline.map((old) => (old.seq === step.seq ? step : old))
    : timeline;
}

/**
 * An event shows at once; what it does not carry (attempts, graph, children) is then read again, never faster than the
 * server can answer: the pause between reads grows with how long the last one took.
 */
export function useLiveRun(id: string) {
  const client = useQueryClient();
  const query = useQuery(runQuery(id));
  /** A stream begins with a snapshot, which takes the server as long as the answer that the first rows wait for. */
  const answered = query.data !== undefined;
  const pause = useRef(SOON_MS);
  const version = useSyncExternalStore(store.subscribe, store.version);

  useEffect(() => {
    if (!answered) return;
    const detail = runQuery(id).queryKey;
    let timer: number | undefined;
    let busy = false;
    /** An answer that was asked for before this may lack what was heard. */
    let heard = 0;
    const read = async (): Promise<void> => {
      const began = performance.now();
      const related = [keys.graph(id), keys.published(id), keys.streams(id), keys.undo(id), keys.auditOf(id)];
      await Promise.all([
        client.refetchQueries({ queryKey: detail }),
        ...related.map((queryKey) => client.invalidateQueries({ queryKey })),
      ]);
      pause.current = Math.min(LONGEST_PAUSE_MS, Math.max(SOON_MS, (performance.now() - began) * 2));
    };
    const refresh = (): void => {
      if (busy || timer !== undefined) return;
      timer = window.setTimeout(() => {
        timer = undefined;
        busy = true;
        void read().finally(() => {
          busy = false;
          if (heard > askedFor(id) && !client.getQueryState(detail)?.error) refresh();
        });
      }, pause.current);
    };
    const close = follow<RunSnapshot>(
      { path: `/runs/${runSegment(id)}/stream`, name: "", query: { fold: "true" } },
      {
        onLook: async () => {
          await client.refetchQueries({ queryKey: detail }, { throwOnError: true });
          await client.invalidateQueries({ queryKey: keys.graph(id) });
        },
        onMessage: (message: Message<RunSnapshot>) => {
          const at = tick();
          if (message.type === "snapshot") {
            // An answer on its way was asked for before: it must not undo this one.
            // (One with a part of a long timeline only says that there is news.)
            if (message.detail.nextStep === undefined) {
              void client.cancelQueries({ queryKey: detail }).then(() => {
                client.setQueryData<RunDetail>(detail, message.detail);
              });
            } else {
              heard = at;
              refresh();
            }
            store.put(rowOf(message.detail.run), at);
            store.announce();
            void client.invalidateQueries({ queryKey: keys.graph(id) });
            return;
          }
          if (message.run && store.put(message.run, at)) store.announce();
          if (message.runId !== id) return;
          const step = message.type === "changed" ? undefined : message.step;
          if (step) {
            client.setQueryData<RunDetail>(detail, (old) =>
              old ? { ...old, timeline: withStep(old.timeline, step) } : old,
            );
          }
          heard = at;
          refresh();
        },
      },
    );
    return () => {
      window.clearTimeout(timer);
      close();
    };
  }, [client, id, answered]);

  const data = useMemo(() => {
    const { data: detail } = query;
    const known = store.get(id);
    if (!detail || !known || known.row.updatedAt < detail.run.updatedAt || known.at <= askedFor(id)) return detail;
    return { ...detail, run: withRow(detail.run, known.row) };
    // What the store has changed without its identity changing.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [query.data, id, version]);

  return { ...query, data };
}
