import { type FormEvent, forwardRef, useEffect, useId, useMemo, useState } from "react";
import type { Facet, RunRow } from "../../api/wire";
import { BULK_PARTS, describeAttr, isBulkPart, parseAttr, type RunFilter, type TextKey } from "../../lib/filter";
import { TimeRangeField } from "../../features/activity/TimeRangeField";
import { Button, IconButton } from "../../ui/Button";
import { Glyph } from "../../ui/icons";
import { Popover } from "../../ui/Popover";

interface Props {
  filter: RunFilter;
  rows: RunRow[];
  facets: Facet[] | undefined;
  onChange: (next: RunFilter) => void;
}

const FIELDS = [
  { id: "workflow", label: "Workflow" },
  { id: "queue", label: "Queue" },
  { id: "executor", label: "Executor" },
  { id: "version", label: "Version" },
  { id: "tag", label: "Tag" },
  { id: "attr", label: "Attribute" },
  { id: "namespace", label: "Application" },
  { id: "parent", label: "Parent run" },
  { id: "error", label: "Error" },
  { id: "bulk", label: "Bulk action" },
] as const;
type FieldId = (typeof FIELDS)[number]["id"];

const LONGER: [string, string][] = [
  ["", "Any length"],
  ["1000", "Over 1 s"],
  ["10000", "Over 10 s"],
  ["60000", "Over 1 min"],
  ["600000", "Over 10 min"],
  ["3600000", "Over 1 h"],
];
const SEARCH_DELAY_MS = 250;

function suggestions(field: FieldId, rows: RunRow[], facets: Facet[] | undefined): string[] {
  const found = new Set<string>();
  const add = (value: string | undefined): void => {
    if (value) found.add(value);
  };
  if (field === "workflow") for (const facet of facets ?? []) add(facet.workflow);
  for (const row of rows) {
    if (field === "workflow") add(row.workflow);
    if (field === "queue") add(row.queue);
    if (field === "executor") add(row.executor);
    if (field === "version") add(row.workflowVersion);
    if (field === "namespace") add(row.namespace);
    if (field === "tag") for (const tag of row.tags) add(tag);
    if (field === "attr") for (const key of Object.keys(row.searchAttributes)) add(`${key}=`);
    if (found.size > 60) break;
  }
  return [...found].sort();
}

/** Add one condition; null if the text is not a condition. */
function withCondition(filter: RunFilter, field: FieldId, text: string): RunFilter | null {
  const value = text.trim();
  if (value === "") return null;
  if (field === "tag") return filter.tag.includes(value) ? filter : { ...filter, tag: [...filter.tag, value] };
  if (field === "attr") {
    const attr = parseAttr(value);
    return attr === null ? null : { ...filter, attr: [...filter.attr, attr] };
  }
  return { ...filter, [field]: value };
}

interface Token {
  key: string;
  label: string;
  value: string;
  without: RunFilter;
}

function tokensOf(filter: RunFilter): Token[] {
  const tokens: Token[] = [];
  const text: [TextKey, string][] = FIELDS.flatMap((field) =>
    field.id === "tag" || field.id === "attr" ? [] : [[field.id, field.label] as [TextKey, string]],
  );
  for (const [key, label] of text) {
    const value = filter[key];
    if (filter[key] !== "") {
      const without = { ...filter, [key]: "", ...(key === "bulk" ? { bulkPart: "" } : {}) };
      tokens.push({ key, label, value, without });
    }
  }
  const part = filter.bulkPart;
  if (filter.bulk !== "" && isBulkPart(part))
    tokens.push({ key: "bulkPart", label: "", value: BULK_PARTS[part], without: { ...filter, bulkPart: "" } });
  for (const tag of filter.tag)
    tokens.push({
      key: `tag:${tag}`,
      label: "Tag",
      value: tag,
      without: { ...filter, tag: filter.tag.filter((t) => t !== tag) },
    });
  for (const attr of filter.attr)
    tokens.push({
      key: attr,
      label: "",
      value: describeAttr(attr),
      without: { ...filter, attr: filter.attr.filter((a) => a !== attr) },
    });
  return tokens;
}

/** Search, conditions and time window. Everything it sets is in the page's address. */
export const FilterBar = forwardRef<HTMLInputElement, Props>(function FilterBar(
  { filter, rows, facets, onChange },
  ref,
) {
  const [text, setText] = useState(filter.q);
  const [asked, setAsked] = useState(filter.q);
  if (asked !== filter.q) {
    setAsked(filter.q);
    // What is being typed stays as typed: the space before the next word too.
    if (text.trim() !== filter.q) setText(filter.q);
  }
  useEffect(() => {
    if (text.trim() === filter.q) return;
    const timer = window.setTimeout(() => onChange({ ...filter, q: text.trim() }), SEARCH_DELAY_MS);
    return () => window.clearTimeout(timer);
  }, [text, filter, onChange]);
  const tokens = tokensOf(filter);
  return (
    <div className="filterbar">
      <div className="search">
        <Glyph name="search" />
        <input
          ref={ref}
          type="search"
          value={text}
          placeholder="Run id or workflow"
          aria-label="Search runs by id or workflow"
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") {
              setText("");
              onChange({ ...filter, q: "" });
              event.currentTarget.blur();
            }
            if (event.key === "Enter") {
              if (text.trim() !== filter.q) onChange({ ...filter, q: text.trim() });
              event.currentTarget.blur();
            }
          }}
        />
        <kbd aria-hidden="true">/</kbd>
      </div>
      <AddCondition filter={filter} rows={rows} facets={facets} onChange={onChange} />
      <TimeRangeField value={filter} onChange={({ since, until }) => onChange({ ...filter, since, until })} />
      <Choice
        label="Duration"
        value={filter.minDurationMs}
        options={LONGER}
        onChange={(minDurationMs) => onChange({ ...filter, minDurationMs })}
      />
      {tokens.map((token) => (
        <span key={token.key} className="token">
          {token.label ? <span className="muted">{token.label}</span> : null}
          <span className="token-value">{token.value}</span>
          <IconButton
            icon="close"
            label={`Remove ${token.label} ${token.value}`}
            onClick={() => onChange(token.without)}
          />
        </span>
      ))}
    </div>
  );
});

function Choice({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: string;
  options: [string, string][];
  onChange: (value: string) => void;
}) {
  const known = options.some(([id]) => id === value);
  return (
    <select
      className="select"
      aria-label={label}
      value={value}
      data-set={value !== "" || undefined}
      onChange={(event) => onChange(event.target.value)}
    >
      {options.map(([id, text]) => (
        <option key={id} value={id}>
          {text}
        </option>
      ))}
      {known ? null : <option value={value}>{value}</option>}
    </select>
  );
}

function AddCondition({ filter, rows, facets, onChange }: Props) {
  const [field, setField] = useState<FieldId>("workflow");
  const [value, setValue] = useState("");
  const [wrong, setWrong] = useState(false);
  const listId = useId();
  const options = useMemo(() => suggestions(field, rows, facets), [field, rows, facets]);
  return (
    <Popover
      label="Add a condition"
      button={
        <>
          <Glyph name="filter" />
          <span>Filter</span>
        </>
      }
    >
      {(close) => (
        <form
          className="condition"
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            const next = withCondition(filter, field, value);
            setWrong(next === null);
            if (next === null) return;
            onChange(next);
            setValue("");
            close();
          }}
        >
          <label>
            <span>Where</span>
            <select className="select" value={field} onChange={(event) => setField(event.target.value as FieldId)}>
              {FIELDS.map((entry) => (
                <option key={entry.id} value={entry.id}>
                  {entry.label}
                </option>
              ))}
            </select>
          </label>
          <label>
            <span>{field === "attr" ? "Condition" : "Is"}</span>
            <input
              className="input"
              value={value}
              list={listId}
              autoFocus
              spellCheck={false}
              autoComplete="off"
              aria-invalid={wrong}
              type="text"
              placeholder={field === "attr" ? "amount>=100" : ""}
              onChange={(event) => {
                setValue(event.target.value);
                setWrong(false);
              }}
            />
            <datalist id={listId}>
              {options.map((option) => (
                <option key={option} value={option} />
              ))}
            </datalist>
          </label>
          {wrong ? (
            <p className="field-error">
              {field === "attr" ? "Write a key, one of = != > >= < <=, and a value." : "Type a value first."}
            </p>
          ) : null}
          <Button type="submit" tone="primary">
            Add
          </Button>
        </form>
      )}
    </Popover>
  );
}
