import { useState } from "react";
import { blocks, type Inline } from "./markdown";
import { imageOf, isMarkdown } from "./kinds";
import css from "./payload.module.css";

const LONG_TEXT = 2000;

/** A text with its line breaks, as Markdown where it is that, as a picture where it holds one. */
export function Prose({ text }: { text: string }) {
  const markdown = isMarkdown(text);
  const [plain, setPlain] = useState(false);
  const [whole, setWhole] = useState(false);
  const image = imageOf(text);
  if (image) return <img className={css.image} src={image} alt="In the payload" />;
  const shown = text.length > LONG_TEXT && !whole ? text.slice(0, LONG_TEXT) : text;
  return (
    <div className={css.prose}>
      {markdown && !plain ? <Markdown text={shown} /> : <pre className={css.text}>{shown}</pre>}
      {shown.length < text.length ? (
        <button type="button" className="j-more" onClick={() => setWhole(true)}>
          {(text.length - shown.length).toLocaleString("en-US")} more characters
        </button>
      ) : null}
      {markdown ? (
        <button type="button" className="j-more" aria-pressed={plain} onClick={() => setPlain(!plain)}>
          {plain ? "as Markdown" : "as text"}
        </button>
      ) : null}
    </div>
  );
}

function Markdown({ text }: { text: string }) {
  return (
    <>
      {blocks(text).map((one, index) => {
        if (one.block === "heading")
          return (
            <p key={index} className={css.heading} data-level={one.level}>
              <Words of={one.text} />
            </p>
          );
        if (one.block === "code")
          return (
            <pre key={index} className={css.code} tabIndex={0} aria-label={one.language || "Code"}>
              {one.text}
            </pre>
          );
        if (one.block === "quote")
          return (
            <blockquote key={index} className={css.quote}>
              <Words of={one.text} />
            </blockquote>
          );
        if (one.block === "paragraph")
          return (
            <p key={index} className={css.paragraph}>
              <Words of={one.text} />
            </p>
          );
        const items = one.items.map((item, at) => (
          <li key={at}>
            <Words of={item} />
          </li>
        ));
        return one.ordered ? <ol key={index}>{items}</ol> : <ul key={index}>{items}</ul>;
      })}
    </>
  );
}

function Words({ of }: { of: Inline[] }) {
  return (
    <>
      {of.map(({ text, style }, index) => {
        if (style === "bold") return <strong key={index}>{text}</strong>;
        if (style === "italic") return <em key={index}>{text}</em>;
        return style === "code" ? <code key={index}>{text}</code> : <span key={index}>{text}</span>;
      })}
    </>
  );
}
