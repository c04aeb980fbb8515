/** Make src/api/openapi.d.ts from openapi.json; with --check, only say whether it is fresh. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const TARGET = path("src/api/openapi.d.ts");

const nodes = await openapiTS(new URL("openapi.json", import.meta.url), {
  defaultNonNullable: false,
  // A type that refers to itself through an interface would become "any": payloads have a type of their own.
  transform: (schema) => ("x-json" in schema ? ts.factory.createTypeReferenceNode("Json") : undefined),
  inject: 'import type { Json } from "../lib/json";\n',
  silent: true,
});
const text = astToString(nodes);
if (!process.argv.includes("--check")) writeFileSync(TARGET, text);
else if (readFileSync(TARGET, "utf8") !== text) {
  console.error("src/api/openapi.d.ts is not what openapi.json says. Run: npm run types");
  process.exit(1);
}
