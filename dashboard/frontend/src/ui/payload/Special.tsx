import type { ReactNode } from "react";
import type { Json } from "../../api/wire";
import { formatBytes } from "../../lib/time";
import { type Kind, type Message, textOf } from "./kinds";
import { Prose } from "./Prose";
import css from "./payload.module.css";

interface Props {
  found: Kind;
  /** How what is no text is drawn: as a tree. */
  tree: (value: Json, key: string) => ReactNode;
}

/** A conversation, a table, a file, a picture. */
export function Special({ found, tree }: Props) {
  if (found.kind === "conversation")
    return (
      <ol className={css.conversation}>
        {found.messages.map((message, index) => (
          <Said key={index} message={message} tree={tree} />
        ))}
      </ol>
    );
  if (found.kind === "table") return <Cells table={found} />;
  const { type, image, base64, bytes, whole } = found;
  const source = `data:${type === "bytes" ? "application/octet-stream" : type};base64,${base64}`;
  return (
    <div className={css.file}>
      {image ? <img className={css.image} src={source} alt={`${type}, ${formatBytes(bytes)}`} /> : null}
      <span className="muted">
        {type}, {formatBytes(bytes)}
        {whole ? "" : "; only its beginning is here"}
      </span>
      {whole ? (
        <a href={source} download={`payload.${type === "bytes" ? "bin" : (type.split(/[/.]/).at(-1) ?? "bin")}`}>
          Download
        </a>
      ) : null}
    </div>
  );
}

function Said({ message: { role, parts, rest }, tree }: { message: Message; tree: Props["tree"] }) {
  return (
    <li className={css.message} data-role={role}>
      <span className={css.role}>{role}</span>
      <div className={css.body}>
        {parts.map((part, index) => {
          const text = textOf(part);
          return text === null ? tree(part, `part ${index + 1}`) : <Prose key={index} text={text} />;
        })}
        {Object.keys(rest).length > 0 ? tree(rest, "more") : null}
      </div>
    </li>
  );
}

function Cells({ table: { title, columns, rows, more } }: { table: Extract<Kind, { kind: "table" }> }) {
  return (
    <div className={css.table}>
      <p className="muted">
        {title}
        {more ? "; its first cells:" : ""}
      </p>
      <div className={css.scroll} tabIndex={0} role="region" aria-label={title}>
        <table>
          {columns.length > 0 ? (
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column} scope="col">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
          ) : null}
          <tbody>
            {rows.map((row, index) => (
              <tr key={index}>
                {row.map((cell, at) => (
                  <td key={at}>{typeof cell === "string" ? cell : JSON.stringify(cell)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
