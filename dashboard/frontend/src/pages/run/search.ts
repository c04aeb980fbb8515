/** What the address of a run's page says: which view, which step. Pure. */
import { integer, oneOf, searchOf, text } from "../../lib/search";

export const VIEWS = ["overview", "graph", "timeline", "payloads", "published", "audit"] as const;
export type View = (typeof VIEWS)[number];

export const runSearch = searchOf({ view: oneOf(VIEWS), step: integer });
export type RunSearch = ReturnType<typeof runSearch.parse>;

export const compareSearch = searchOf({ with: text, attempt: integer });
export type CompareSearch = ReturnType<typeof compareSearch.parse>;
