/** Fail when the first paint of the built page grows beyond its budget. Reads ../static; ``npm run size`` after a build. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BUDGET_BYTES = 130_000;
const STATIC = fileURLToPath(new URL("../static/", import.meta.url));

/** As the server sends it. */
const weight = (name) => gzipSync(readFileSync(STATIC + name), { level: 9 }).length;

/** What the browser must have before anything is drawn: the document, and the scripts and styles that it names. */
function firstPaint() {
  const html = readFileSync(`${STATIC}index.html`, "utf8");
  const named = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map((match) => match[1]);
  return ["index.html", ...new Set(named)];
}

const first = firstPaint();
const later = readdirSync(`${STATIC}assets`)
  .map((name) => `assets/${name}`)
  .filter((name) => !first.includes(name));
for (const name of [...first, ...later].sort((a, b) => weight(b) - weight(a))) {
  console.log(`${String(weight(name)).padStart(8)}  ${first.includes(name) ? "first" : "     "}  ${name}`);
}
const total = first.reduce((sum, name) => sum + weight(name), 0);
console.log(`First paint: ${total} of ${BUDGET_BYTES} bytes, compressed.`);
if (total > BUDGET_BYTES) {
  console.error(
    `The first paint is ${total - BUDGET_BYTES} bytes over its budget. Load what it does not need later (lazy()), or leave it out.`,
  );
  process.exit(1);
}
