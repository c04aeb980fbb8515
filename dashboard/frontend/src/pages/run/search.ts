/** What the address of a run's page says: which view, which step, which children are open. Pure. */
import { ids, integer, oneOf, searchOf, text } from "../../lib/search";

export const VIEWS = ["overview", "graph", "timeline", "payloads", "published", "streams", "audit"] as const;
export type View = (typeof VIEWS)[number];

/** So many children are open at once: each is read, and read again while it is under way. */
export const MOST_OPEN = 20;

/** ``of``: the opened child that ``step`` belongs to. */
export const runSearch = searchOf({ view: oneOf(VIEWS), step: integer, of: text, open: ids(MOST_OPEN) });
export type RunSearch = ReturnType<typeof runSearch.parse>;

export const compareSearch = searchOf({ with: text, attempt: integer });
export type CompareSearch = ReturnType<typeof compareSearch.parse>;
