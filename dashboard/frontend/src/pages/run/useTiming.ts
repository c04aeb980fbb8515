import { useQuery } from "@tanstack/react-query";
import { timingQuery } from "../../api/queries";
import type { RunRow, Timing } from "../../api/wire";

/** Where a run's time went; undefined until it is known, and where the server cannot say. */
export function useTiming({ id, finishedAt }: Pick<RunRow, "id" | "finishedAt">): Timing | undefined {
  return useQuery(timingQuery(id, finishedAt)).data;
}
