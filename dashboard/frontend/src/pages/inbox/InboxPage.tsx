import { useQuery } from "@tanstack/react-query";
import { inboxQuery } from "../../api/queries";
import { config } from "../../config";
import { oneOf, searchOf } from "../../lib/search";
import { formatCount } from "../../lib/time";
import { links } from "../../shell/links";
import { Link, useSearch } from "../../shell/router";
import { Empty, Skeleton } from "../../ui/Notice";
import { QueryView } from "../../ui/QueryView";
import { Entry } from "./Entry";
import css from "./inbox.module.css";

const WHOSE = ["mine", "nobody"] as const;
const search = searchOf({ whose: oneOf(WHOSE) });
const LABEL = { all: "All", mine: "Mine", nobody: "Nobody's" } as const;

/** Everything that waits for a person, oldest first, answered in place. */
export function InboxPage() {
  const [{ whose }, setSearch] = useSearch(search);
  const me = config.actor;
  const query = useQuery(inboxQuery(whose === "mine" ? me : whose === "nobody" ? "" : null));
  return (
    <div className="page plain-page">
      <header className="page-head">
        <h1>Inbox</h1>
        <p className="muted">What waits for a person in any run, oldest first.</p>
        <div className="chips" role="group" aria-label="Whose">
          {(["all", ...WHOSE] as const).map((one) => (
            <button
              key={one}
              type="button"
              className="chip"
              aria-pressed={(whose ?? "all") === one}
              onClick={() => setSearch({ whose: one === "all" ? null : one })}
            >
              {LABEL[one]}
            </button>
          ))}
        </div>
      </header>
      <QueryView
        query={query}
        what="The inbox"
        pending={<Skeleton rows={6} />}
        empty={{
          when: ({ entries }) => entries.length === 0,
          show: (
            <Empty title={whose === null ? "Nothing waits for a person" : "Nothing here"} icon="check">
              {whose === null ? (
                "Breakpoints come here by themselves, signals and updates when their wait says what it asks: ask=…"
              ) : (
                <Link to={links.inbox}>All that waits</Link>
              )}
            </Empty>
          ),
        }}
      >
        {({ entries, count, exact }) => (
          <>
            <ol className={css.entries}>
              {entries.map((entry) => (
                <li key={`${entry.run.id} ${entry.seq}`}>
                  <Entry entry={entry} />
                </li>
              ))}
            </ol>
            {count > entries.length ? (
              <p className="muted">
                The oldest {formatCount(entries.length)} of {formatCount(count)}
                {exact ? "" : " or more"}. The others come as these are answered.
              </p>
            ) : null}
          </>
        )}
      </QueryView>
    </div>
  );
}
