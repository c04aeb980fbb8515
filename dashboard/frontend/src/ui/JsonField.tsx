import { errorText } from "../lib/errors";
import { ExactJson, NULL } from "../lib/exactJson";
import "./form.css";

/** JSON as typed; nothing typed is null. */
export function parseJson(text: string): { value: ExactJson; error: null } | { value: null; error: string } {
  if (text.trim() === "") return { value: NULL, error: null };
  try {
    JSON.parse(text);
    return { value: new ExactJson(text), error: null };
  } catch (error) {
    return { value: null, error: `This is not JSON: ${errorText(error)}. Text needs quotes.` };
  }
}

export function JsonField({
  text,
  onText,
  error,
  label,
  hint,
  autoFocus = false,
}: {
  text: string;
  onText: (text: string) => void;
  error: string | null;
  label: string;
  hint?: string;
  /** In a dialog: where the typing begins. */
  autoFocus?: boolean;
}) {
  return (
    <label className="field">
      <span>{label}</span>
      <textarea
        className="input mono"
        rows={8}
        value={text}
        spellCheck={false}
        data-autofocus={autoFocus || undefined}
        aria-invalid={error !== null}
        onChange={(event) => onText(event.target.value)}
      />
      {error === null && hint ? <small className="muted">{hint}</small> : null}
      {error ? <small className="field-error">{error}</small> : null}
    </label>
  );
}
