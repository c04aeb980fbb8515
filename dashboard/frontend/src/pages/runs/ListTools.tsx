import type { RunFilter } from "../../lib/filter";
import { DisplayMenu } from "./DisplayMenu";
import { ViewsMenu } from "./ViewsMenu";
import css from "./listTools.module.css";

/** What stands beside the chips: the saved views, and how the list is shown. */
export function ListTools({ filter, attributes }: { filter: RunFilter; attributes: readonly string[] }) {
  return (
    <div className={css.tools}>
      <ViewsMenu filter={filter} />
      <DisplayMenu attributes={attributes} />
    </div>
  );
}
