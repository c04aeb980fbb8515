/** Markdown as blocks: headings, lists, code, quotes, paragraphs. Links and HTML stay the text that they are. Pure. */

export type Inline = { text: string; style: "plain" | "bold" | "italic" | "code" };
export type Block =
  | { block: "heading"; level: number; text: Inline[] }
  | { block: "list"; ordered: boolean; items: Inline[][] }
  | { block: "code"; language: string; text: string }
  | { block: "quote"; text: Inline[] }
  | { block: "paragraph"; text: Inline[] };

const INLINE = /(`[^`\n]+`|\*\*[^*\n]+\*\*|__[^_\n]+__|\*[^*\s][^*\n]*\*)/;

export function inlines(text: string): Inline[] {
  return text.split(INLINE).flatMap((part): Inline[] => {
    if (part === "") return [];
    if (/^`.+`$/.test(part)) return [{ text: part.slice(1, -1), style: "code" }];
    if (/^(\*\*.+\*\*|__.+__)$/.test(part)) return [{ text: part.slice(2, -2), style: "bold" }];
    if (/^\*.+\*$/.test(part)) return [{ text: part.slice(1, -1), style: "italic" }];
    return [{ text: part, style: "plain" }];
  });
}

const ITEM = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;

/** In one pass over the lines. */
export function blocks(text: string): Block[] {
  const found: Block[] = [];
  let lines: string[] = [];
  const end = (): void => {
    if (lines.length > 0) found.push({ block: "paragraph", text: inlines(lines.join("\n")) });
    lines = [];
  };
  let code: { language: string; lines: string[] } | null = null;
  for (const line of text.split("\n")) {
    const fence = /^\s*```(\S*)\s*$/.exec(line);
    if (code) {
      if (fence) {
        found.push({ block: "code", language: code.language, text: code.lines.join("\n") });
        code = null;
      } else code.lines.push(line);
      continue;
    }
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    const item = ITEM.exec(line);
    const quote = /^>\s?(.*)$/.exec(line);
    if (fence) code = (end(), { language: fence[1] ?? "", lines: [] });
    else if (heading) {
      end();
      found.push({ block: "heading", level: heading[1]?.length ?? 1, text: inlines(heading[2] ?? "") });
    } else if (item) {
      end();
      const ordered = item[1] !== undefined;
      const last = found.at(-1);
      const entry = inlines(item[2] ?? "");
      if (last?.block === "list" && last.ordered === ordered) last.items.push(entry);
      else found.push({ block: "list", ordered, items: [entry] });
    } else if (quote) {
      end();
      found.push({ block: "quote", text: inlines(quote[1] ?? "") });
    } else if (line.trim() === "") end();
    else lines.push(line);
  }
  if (code) found.push({ block: "code", language: code.language, text: code.lines.join("\n") });
  end();
  return found;
}
