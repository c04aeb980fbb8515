/** Shows a payload as a tree. Text only: nothing in a payload ever becomes markup or a link. */
import { memo, useState } from "react";
import type { Json } from "../api/wire";
import { Glyph } from "./icons";
import "./JsonView.css";

const FIRST_ITEMS = 100;
const LONG_TEXT = 600;

function isObject(value: Json): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** "app.models.Order" of {"$class": "app.models.Order", ...}; the rest is drawn below it. */
function classOf(value: Json): { name: string; rest: Json } | null {
  if (!isObject(value) || typeof value.$class !== "string") return null;
  const { $class, $state, ...others } = value;
  const extra = Object.keys(others).length > 0;
  if ($state === undefined) return { name: String($class), rest: others };
  if (!extra) return { name: String($class), rest: $state };
  return { name: String($class), rest: { ...others, $state } };
}

function summary(value: Json): string {
  if (Array.isArray(value)) return value.length === 1 ? "1 item" : `${value.length} items`;
  if (isObject(value)) {
    const keys = Object.keys(value);
    return keys.length <= 3 ? keys.join(", ") : `${keys.slice(0, 3).join(", ")} and ${keys.length - 3} more`;
  }
  return "";
}

function Text({ value }: { value: string }) {
  const [whole, setWhole] = useState(false);
  const cut = value.length > LONG_TEXT && !whole;
  return (
    <span className="j-string">
      {JSON.stringify(cut ? value.slice(0, LONG_TEXT) : value)}
      {cut ? (
        <button type="button" className="j-more" onClick={() => setWhole(true)}>
          {value.length - LONG_TEXT} more characters
        </button>
      ) : null}
    </span>
  );
}

function Leaf({ value }: { value: Json }) {
  if (value === null) return <span className="j-null">null</span>;
  if (typeof value === "string") return <Text value={value} />;
  if (typeof value === "boolean") return <span className="j-bool">{String(value)}</span>;
  return <span className="j-number">{JSON.stringify(value)}</span>;
}

interface NodeProps {
  name: string | null;
  value: Json;
  depth: number;
  open: number;
}

const JsonNode = memo(function JsonNode({ name, value, depth, open }: NodeProps) {
  const typed = classOf(value);
  const body = typed ? typed.rest : value;
  const branch = typeof body === "object" && body !== null;
  const entries: [string, Json][] = Array.isArray(body)
    ? body.map((item, index) => [String(index), item])
    : isObject(body)
      ? Object.entries(body)
      : [];
  const [expanded, setExpanded] = useState(depth < open);
  const [shown, setShown] = useState(FIRST_ITEMS);
  const label = name === null ? null : <span className="j-key">{name}</span>;
  const tag = typed ? (
    <span className="j-class" title={typed.name}>
      {typed.name.split(".").at(-1)}
    </span>
  ) : null;
  if (name === null && branch && entries.length > 0 && !typed) {
    return (
      <div className="j-root">
        {entries.slice(0, shown).map(([key, item]) => (
          <JsonNode key={key} name={key} value={item} depth={depth + 1} open={open} />
        ))}
        {entries.length > shown ? (
          <button type="button" className="j-more" onClick={() => setShown(shown + 500)}>
            {entries.length - shown} more
          </button>
        ) : null}
      </div>
    );
  }
  if (!branch || entries.length === 0) {
    return (
      <div className="j-row">
        {label}
        {tag}
        {branch ? <span className="j-null">{Array.isArray(body) ? "[ ]" : "{ }"}</span> : <Leaf value={body} />}
      </div>
    );
  }
  return (
    <div className="j-branch">
      <button type="button" className="j-toggle" aria-expanded={expanded} onClick={() => setExpanded(!expanded)}>
        <Glyph name="chevron" size={12} />
        {label}
        {tag}
        <span className="j-summary">
          {Array.isArray(body) ? `[${summary(body)}]` : expanded ? "" : `{ ${summary(body)} }`}
        </span>
      </button>
      {expanded ? (
        <div className="j-children">
          {entries.slice(0, shown).map(([key, item]) => (
            <JsonNode key={key} name={key} value={item} depth={depth + 1} open={open} />
          ))}
          {entries.length > shown ? (
            <button type="button" className="j-more" onClick={() => setShown(shown + 500)}>
              {entries.length - shown} more
            </button>
          ) : null}
        </div>
      ) : null}
    </div>
  );
});

/** {"args": [..], "kwargs": {..}}, as inputs are stored, reads better as what was passed. */
export function asCall(value: Json): Json {
  if (
    !isObject(value) ||
    !Array.isArray(value.args) ||
    !isObject(value.kwargs ?? null) ||
    Object.keys(value).some((key) => key !== "args" && key !== "kwargs")
  )
    return value;
  const named = Object.entries(value.kwargs as { [key: string]: Json });
  if (named.length === 0) return value.args;
  return {
    ...Object.fromEntries(value.args.map((item, index) => [String(index), item])),
    ...Object.fromEntries(named),
  };
}

export function JsonView({ value, open = 2, label }: { value: Json; open?: number; label: string }) {
  return (
    <div className="json" role="group" aria-label={label}>
      <JsonNode name={null} value={value} depth={0} open={open} />
    </div>
  );
}
