import type { Json, ValueDiff } from "../../api/wire";
import css from "./compare.module.css";

/** A value on one line. */
const brief = (value: Json | undefined): string => (value === undefined ? "null" : JSON.stringify(value));

/** Where two payloads differ: the path, what it was in the other, what it is in this run. */
export function PayloadDiff({ title, diff }: { title: string; diff: ValueDiff }) {
  return (
    <section className={css.diff} aria-label={title}>
      <h2>
        {title}{" "}
        {diff.same ? <span className="muted">{diff.cut ? "the same, as far as it was read" : "the same"}</span> : null}
      </h2>
      {diff.same ? null : (
        <ul>
          {diff.changes.map(({ path, kind, run, other }, index) => (
            <li key={`${path} ${index}`}>
              <span className={`mono ${css.path}`}>{path === "" ? "the value" : path}</span>
              {kind === "added" ? null : <del>{brief(other)}</del>}
              {kind === "removed" ? null : <ins>{brief(run)}</ins>}
            </li>
          ))}
          {diff.cut ? <li className="muted">There is more: payloads are compared up to a size.</li> : null}
        </ul>
      )}
    </section>
  );
}
