/** The state of the page's live connection, for the dot in the top bar and the banner. */
import { makeCell, useCell } from "../lib/cell";
import type { LiveState } from "./stream";

const live = makeCell<LiveState>("closed");
const problem = makeCell<string | null>(null);

export const setLive = live.set;
export const useLive = (): LiveState => useCell(live);
export const setStreamProblem = problem.set;
export const useStreamProblem = (): string | null => useCell(problem);
