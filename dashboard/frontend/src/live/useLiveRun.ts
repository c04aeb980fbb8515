/** One run, kept true by its stream. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { runQuery } from "../api/queries";
import { type Message, openStream } from "./stream";
import type { RunDetail, RunSnapshot } from "../api/wire";
import { applyEvent } from "./merge";
import { setLive, setStreamProblem } from "./state";

const SOON_MS = 150;

/**
 * Events say that something changed; the detail is then read again, never faster than the server can answer:
 * the pause between reads grows with how long the last one took.
 */
export function useLiveRun(id: string) {
  const client = useQueryClient();
  const query = useQuery(runQuery(id));
  const missing = query.isError && !query.data;
  const pause = useRef(SOON_MS);

  useEffect(() => {
    if (missing) return;
    let timer: number | undefined;
    let busy = false;
    let again = false;
    const refresh = (): void => {
      if (busy) {
        again = true;
        return;
      }
      if (timer !== undefined) return;
      timer = window.setTimeout(() => {
        timer = undefined;
        busy = true;
        const began = performance.now();
        const related = [
          ["run", id, "graph"],
          ["run", id, "published"],
          ["run", id, "undo"],
          ["audit", id],
        ];
        void Promise.all([
          client.refetchQueries({ queryKey: runQuery(id).queryKey }),
          ...related.map((queryKey) => client.invalidateQueries({ queryKey })),
        ]).finally(() => {
          busy = false;
          pause.current = Math.min(5000, Math.max(SOON_MS, (performance.now() - began) * 2));
          if (again) {
            again = false;
            refresh();
          }
        });
      }, pause.current);
    };
    const close = openStream<RunSnapshot>(`/runs/${encodeURIComponent(id)}/stream`, () => ({}), {
      onState: setLive,
      onProblem: setStreamProblem,
      onPoll: refresh,
      onMessage: (message: Message<RunSnapshot>) => {
        if (message.type === "snapshot") {
          client.setQueryData<RunDetail>(runQuery(id).queryKey, message.detail);
          void client.invalidateQueries({ queryKey: ["run", id, "graph"] });
          return;
        }
        client.setQueryData<RunDetail>(runQuery(id).queryKey, (old) =>
          old && message.runId === id ? { ...old, run: { ...old.run, ...applyEvent(old.run, message) } } : old,
        );
        refresh();
      },
    });
    return () => {
      window.clearTimeout(timer);
      close();
    };
  }, [client, id, missing]);

  return query;
}
