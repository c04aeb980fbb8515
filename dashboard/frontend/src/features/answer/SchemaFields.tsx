import type { Field, Typed } from "../../lib/schemaForm";
import "../../ui/form.css";
import css from "./answer.module.css";

interface Props {
  fields: readonly Field[];
  typed: Typed;
  wrong: Typed;
  onChange: (typed: Typed) => void;
}

/** What is typed for an answer, a field for each part that its type declares. */
export function SchemaFields({ fields, typed, wrong, onChange }: Props) {
  return fields.map((field) => (
    <SchemaField
      key={field.name}
      field={field}
      text={typed[field.name] ?? ""}
      wrong={wrong[field.name]}
      onText={(text) => onChange({ ...typed, [field.name]: text })}
    />
  ));
}

interface FieldProps {
  field: Field;
  text: string;
  wrong: string | undefined;
  onText: (text: string) => void;
}

function SchemaField({ field, text, wrong, onText }: FieldProps) {
  if (field.kind === "boolean") {
    return (
      <label className="check">
        <input
          type="checkbox"
          checked={text === "true"}
          onChange={(event) => onText(event.target.checked ? "true" : "false")}
        />
        <span>
          {field.label}
          {field.hint ? <span className="muted"> {field.hint}</span> : null}
        </span>
      </label>
    );
  }
  return (
    <label className="field">
      <span>
        {field.label}
        {field.required ? "" : <span className="muted normal"> optional</span>}
      </span>
      <Control field={field} text={text} isWrong={wrong !== undefined} onText={onText} />
      {wrong === undefined ? null : <small className="field-error">{wrong}</small>}
      {wrong === undefined && field.hint ? <small className="muted">{field.hint}</small> : null}
    </label>
  );
}

function Control({
  field,
  text,
  isWrong,
  onText,
}: {
  field: Field;
  text: string;
  isWrong: boolean;
  onText: (text: string) => void;
}) {
  if (field.kind === "choice") {
    return (
      <select className="select" value={text} aria-invalid={isWrong} onChange={(event) => onText(event.target.value)}>
        <option value="">Choose…</option>
        {field.choices.map((choice) => {
          const value = JSON.stringify(choice);
          return (
            <option key={value} value={value}>
              {typeof choice === "string" ? choice : value}
            </option>
          );
        })}
      </select>
    );
  }
  if (field.kind === "json" || field.kind === "long") {
    return (
      <textarea
        className={field.kind === "json" ? "input mono" : "input"}
        rows={3}
        value={text}
        spellCheck={field.kind === "long"}
        placeholder={field.kind === "json" ? "JSON" : ""}
        aria-invalid={isWrong}
        onChange={(event) => onText(event.target.value)}
      />
    );
  }
  return (
    <input
      className={`input ${css.line}`}
      inputMode={field.kind === "text" ? "text" : field.kind === "integer" ? "numeric" : "decimal"}
      value={text}
      autoComplete="off"
      aria-invalid={isWrong}
      onChange={(event) => onText(event.target.value)}
    />
  );
}
