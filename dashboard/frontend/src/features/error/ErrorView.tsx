import type { ErrorInfo } from "../../api/wire";
import { CopyButton } from "../../ui/CopyButton";
import "./error.css";

/** The stack, folded away: the sentence above it is what most readers need. */
export function Stack({ text }: { text: string | undefined }) {
  if (!text) return null;
  return (
    <details className="stack">
      <summary>Stack</summary>
      <div className="stack-body">
        <CopyButton text={text} label="Copy the stack" />
        <pre tabIndex={0} aria-label="Stack">
          {text}
        </pre>
      </div>
    </details>
  );
}

export function ErrorView({ error }: { error: ErrorInfo }) {
  return (
    <div className="error-view">
      <p>
        <strong className="mono">{error.type ?? "Error"}</strong>
        {error.code ? <span className="muted"> {error.code}</span> : null}
      </p>
      <p className="pre">{error.message}</p>
      <Stack text={error.stack} />
    </div>
  );
}
