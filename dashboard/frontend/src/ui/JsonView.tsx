/** Shows a payload as a tree. Text only: nothing in a payload ever becomes markup or a link. */
import { memo, type ReactNode, useMemo, useState } from "react";
import type { Json } from "../api/wire";
import { CopyButton } from "./CopyButton";
import { Glyph } from "./icons";
import { countOf, find, pathTo } from "./payload/find";
import { kindOf } from "./payload/kinds";
import { Prose } from "./payload/Prose";
import { Special } from "./payload/Special";
import "./JsonView.css";

const FIRST_ITEMS = 100;
const LONG_TEXT = 600;
/** Smaller payloads are seen at a glance. */
const SEARCHED_FROM = 25;

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

const isProse = (text: string): boolean => text.includes("\n") || text.startsWith("data:image/");

function Leaf({ value }: { value: Json }) {
  if (value === null) return <span className="j-null">null</span>;
  if (typeof value === "string") return isProse(value) ? <Prose text={value} /> : <Text value={value} />;
  if (typeof value === "boolean") return <span className="j-bool">{String(value)}</span>;
  return <span className="j-number">{JSON.stringify(value)}</span>;
}

interface NodeProps {
  name: string | null;
  value: Json;
  path: string;
  depth: number;
  open: number;
  /** Paths that a search found: they are marked, and what leads to them is open. */
  found: readonly string[] | null;
}

/** Where a member stands, to be copied; seen by the pointer and by focus. */
function CopyPath({ path }: { path: string }) {
  return path === "$" ? null : (
    <span className="j-path">
      <CopyButton text={path} label={`Copy the path ${path}`} />
    </span>
  );
}

const leadsTo = (path: string, found: readonly string[] | null): boolean =>
  found?.some((one) => one.length > path.length && one.startsWith(path) && /[.[]/.test(one[path.length] ?? "")) ??
  false;

const JsonNode = memo(function JsonNode({ name, value, path, depth, open, found }: NodeProps) {
  const typed = classOf(value);
  const body = typed ? typed.rest : value;
  const branch = typeof body === "object" && body !== null;
  const entries: [string, Json][] = Array.isArray(body)
    ? body.map((item, index) => [String(index), item])
    : isObject(body)
      ? Object.entries(body)
      : [];
  const [chosen, setExpanded] = useState<boolean | null>(null);
  const expanded = chosen ?? (found === null ? depth < open : leadsTo(path, found));
  const [asData, setAsData] = useState(false);
  const special = useMemo(() => kindOf(value), [value]);
  const inList = Array.isArray(body);
  const hit = found?.includes(path) || undefined;
  // Beside the name where the value takes lines of its own.
  const lines = typeof body === "string" && isProse(body);
  const [shown, setShown] = useState(FIRST_ITEMS);
  const label = name === null ? null : <span className="j-key">{name}</span>;
  const tag = typed ? (
    <span className="j-class" title={typed.name}>
      {typed.name.split(".").at(-1)}
    </span>
  ) : null;
  const member = (key: string, item: Json, ofList: boolean): ReactNode => (
    <JsonNode
      key={key}
      name={key}
      value={item}
      path={pathTo(path, key, ofList)}
      depth={depth + 1}
      open={open}
      found={found}
    />
  );
  if (special && !asData && found === null) {
    return (
      <div className="j-special">
        <div className="j-head">
          {label}
          <button type="button" className="j-more" onClick={() => setAsData(true)}>
            as data
          </button>
          <CopyPath path={path} />
        </div>
        <Special found={special} tree={(part, key) => member(key, part, false)} />
      </div>
    );
  }
  const members = (
    <>
      {entries.slice(0, shown).map(([key, item]) => member(key, item, inList))}
      {entries.length > shown ? (
        <button type="button" className="j-more" onClick={() => setShown(shown + 500)}>
          {entries.length - shown} more
        </button>
      ) : null}
    </>
  );
  if (name === null && branch && entries.length > 0 && !typed) return <div className="j-root">{members}</div>;
  if (!branch || entries.length === 0) {
    return (
      <div className="j-row" data-hit={hit}>
        {label}
        {tag}
        {lines ? <CopyPath path={path} /> : null}
        {branch ? <span className="j-null">{Array.isArray(body) ? "[ ]" : "{ }"}</span> : <Leaf value={body} />}
        {lines ? null : <CopyPath path={path} />}
      </div>
    );
  }
  return (
    <div className="j-branch">
      <div className="j-head" data-hit={hit}>
        <button type="button" className="j-toggle" aria-expanded={expanded} onClick={() => setExpanded(!expanded)}>
          <Glyph name="chevron" size={12} />
          {label}
          {tag}
          <span className="j-summary">
            {Array.isArray(body) ? `[${summary(body)}]` : expanded ? "" : `{ ${summary(body)} }`}
          </span>
        </button>
        <CopyPath path={path} />
      </div>
      {expanded ? <div className="j-children">{members}</div> : null}
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
  const [raw, setRaw] = useState(false);
  const [text, setText] = useState("");
  const sought = text.trim();
  const found = useMemo(() => (sought === "" ? null : find(value, sought)), [value, sought]);
  const large = useMemo(() => countOf(value, SEARCHED_FROM) >= SEARCHED_FROM, [value]);
  const branch = typeof value === "object" && value !== null;
  return (
    <div className="json" role="group" aria-label={label}>
      {branch && (large || raw) ? (
        <div className="j-tools">
          {raw ? null : (
            <input
              type="search"
              className="input"
              value={text}
              placeholder="Find a key or value"
              aria-label={`Find in ${label}`}
              spellCheck={false}
              autoComplete="off"
              onChange={(event) => setText(event.target.value)}
            />
          )}
          {found ? <span className="muted small">{found.length} found</span> : null}
          <button type="button" className="j-more" aria-pressed={raw} onClick={() => setRaw(!raw)}>
            {raw ? "as a tree" : "raw"}
          </button>
        </div>
      ) : null}
      {raw ? (
        <pre className="j-raw" tabIndex={0} aria-label={`${label}, raw`}>
          {JSON.stringify(value, null, 2)}
        </pre>
      ) : (
        <JsonNode key={sought} name={null} value={value} path="$" depth={0} open={open} found={found} />
      )}
    </div>
  );
}
