import { readFileSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect, test } from "vitest";

const SRC = join(import.meta.dirname, "../../src");
const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).map((name) => join(SRC, name));
const sheets = files.filter((name) => name.endsWith(".css"));
const TOKENS = "styles/base.css";

interface Declaration {
  at: string;
  property: string;
  value: string;
}

function declarations(sheet: string): Declaration[] {
  const text = readFileSync(sheet, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
  const found = [...text.matchAll(/(?:^|[;{])\s*([a-z-]+)\s*:\s*([^;{}]+);/g)];
  return found.map(([, property = "", value = ""]) => ({ at: basename(sheet), property, value: value.trim() }));
}

const all = sheets.filter((sheet) => !sheet.endsWith(TOKENS)).flatMap(declarations);
const says = ({ at, property, value }: Declaration): string => `${at}: ${property}: ${value}`;

test("distances between things are steps of the scale", () => {
  const spaced = all.filter(({ property }) => /^((row|column)-)?gap$|^(padding|margin)(-|$)/.test(property));
  // One pixel is a line, and beyond the scale it is layout.
  const raw = spaced.filter(({ value }) =>
    [...value.matchAll(/(\d+(?:\.\d+)?)px/g)].some(([, n]) => Number(n) > 1 && Number(n) <= 32),
  );
  expect(raw.map(says)).toEqual([]);
});

test("type comes in five sizes, layers in five, corners from the tokens", () => {
  const raw = all.filter(
    ({ property, value }) =>
      (property === "font-size" && !/^(var\(--text-|\.\d+em|0\.\d+em|inherit)/.test(value)) ||
      (property === "font" && /\dpx/.test(value)) ||
      (property === "z-index" && !value.startsWith("var(--z-")) ||
      (property === "border-radius" && /[2-9]px|\d\dpx/.test(value)),
  );
  expect(raw.map(says)).toEqual([]);
});

test("colours are named in one place", () => {
  expect(all.filter(({ value }) => /#[0-9a-f]{3,8}\b/i.test(value)).map(says)).toEqual([]);
});

test("every sheet says in which layer it stands", () => {
  const loose = sheets.filter((sheet) => {
    const text = readFileSync(sheet, "utf8")
      .replace(/\/\*[\s\S]*?\*\//g, "")
      .replace(/@import[^;]+;|@layer [\w, ]+;/g, "")
      .trim();
    return text !== "" && !text.startsWith("@layer");
  });
  expect(loose.map((sheet) => basename(sheet))).toEqual([]);
});

test("a module's classes are those that its parts use, and no others", () => {
  for (const sheet of sheets.filter((name) => name.endsWith(".module.css"))) {
    const text = readFileSync(sheet, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
    const defined = new Set([...text.matchAll(/\.([a-zA-Z][\w-]*)/g)].map(([, name]) => name));
    const users = files
      .filter((name) => /\.tsx?$/.test(name))
      .filter((name) => readFileSync(name, "utf8").includes(`/${basename(sheet)}"`));
    const near = users.filter((name) => dirname(name).startsWith(dirname(sheet)));
    const used = new Set(
      near.flatMap((name) => [...readFileSync(name, "utf8").matchAll(/\bcss\.(\w+)/g)].map(([, used]) => used)),
    );
    expect(
      [...used].filter((name) => !defined.has(name)),
      `${basename(sheet)} lacks`,
    ).toEqual([]);
    expect(
      [...defined].filter((name) => !used.has(name)),
      `${basename(sheet)} has unused`,
    ).toEqual([]);
  }
});
