/** Names every package whose code is in the bundle, with its licence's text, in a file of the bundle. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Plugin } from "vite";

export const LICENSES_FILE = "THIRD-PARTY-LICENSES.txt";
/** What is in our own folder and not ours. */
const OWN = [{ title: "Inter, a subset (OFL-1.1)", file: "src/styles/inter-LICENSE.txt" }];
const HEAD = "The page of durable-dashboard contains code of these packages, under these licences.";

type Manifest = { name?: string; version?: string; license?: string };

/** The folder and manifest of the package that a module belongs to; nested package.json files without a name are none. */
function packageOf(module: string): { folder: string; manifest: Manifest } | null {
  for (let folder = dirname(module); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file)) {
      const manifest = JSON.parse(readFileSync(file, "utf8")) as Manifest;
      if (manifest.name !== undefined && manifest.version !== undefined) return { folder, manifest };
    }
  }
  return null;
}

/** What a package says of its licence: the text of its file, without which nothing is built. */
function entry(folder: string, manifest: Manifest): string {
  const file = readdirSync(folder).find((name) => /^licen[sc]e(\.|$)/i.test(name));
  const title = `${manifest.name} ${manifest.version} (${manifest.license})`;
  if (file === undefined) throw new Error(`${title} is in the bundle and ships no licence.`);
  return `${title}\n\n${readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n").trim()}\n`;
}

/** Writes the file from the modules that are really in the chunks, so that what was left out is not named. */
export function licenses(): Plugin {
  return {
    name: "licenses",
    apply: "build",
    generateBundle(_options, bundle) {
      const found = new Map<string, string>();
      for (const file of Object.values(bundle)) {
        for (const module of file.type === "chunk" ? file.moduleIds : file.originalFileNames) {
          const path = module.replace(/^\0/, "").split("?")[0] ?? "";
          const made = path.includes("/node_modules/") ? packageOf(path) : null;
          if (made !== null) {
            const key = `${made.manifest.name} ${made.manifest.version}`;
            found.set(key, entry(made.folder, made.manifest));
          }
        }
      }
      for (const { title, file } of OWN) {
        const text = readFileSync(join(import.meta.dirname, file), "utf8")
          .replaceAll("\r\n", "\n")
          .trim();
        found.set(title, `${title}\n\n${text}\n`);
      }
      const texts = [...found.keys()].sort().map((key) => found.get(key));
      const source = [`${HEAD}\n`, ...texts].join(`\n${"-".repeat(80)}\n\n`);
      this.emitFile({ type: "asset", fileName: LICENSES_FILE, source });
    },
  };
}
