import type { CSSProperties } from "react";
import { errorText } from "../../lib/errors";
import { links } from "../../shell/links";
import { Link } from "../../shell/router";
import type { Entry } from "./folds";

interface Props {
  entry: Extract<Entry, { note: string }>;
  top: number;
  onMore: (id: string) => void;
}

/** Where a row of the timeline stands, and how deep below the run. */
export function rowStyle(top: number, depth: number): CSSProperties {
  return { transform: `translateY(${top}px)`, "--depth": depth } as CSSProperties;
}

/** A row of an opened child that is no step: it is read, it failed, it has no steps, there are more. */
export function LaneNoteRow({ entry: { note, of, depth, error, left = 0 }, top, onMore }: Props) {
  const count = left.toLocaleString("en-US");
  if (note === "more")
    return (
      <button type="button" className="tl-row tl-note tl-more" style={rowStyle(top, depth)} onClick={() => onMore(of)}>
        +{count} more
      </button>
    );
  return (
    <div className="tl-row tl-note" style={rowStyle(top, depth)} role={note === "failed" ? "alert" : undefined}>
      {note === "loading" ? "Loading…" : null}
      {note === "empty" ? "It recorded no step." : null}
      {note === "failed" ? `It could not be read: ${errorText(error)}` : null}
      {note === "folded" ? `+${count} in loops` : null}
      {note === "failed" || note === "folded" ? <Link to={links.run(of)}>Open the run</Link> : null}
    </div>
  );
}
