/** What the type checker cannot see: promises that nobody awaits, hooks called out of order. */
import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import ts from "typescript-eslint";

export default defineConfig(
  { ignores: ["src/api/openapi.d.ts"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["src/**/*.{ts,tsx}", "tests/**/*.{ts,tsx}", "licenses.ts", "vite.config.ts", "vitest.config.ts"],
    extends: [js.configs.recommended, ts.configs.recommendedTypeChecked, hooks.configs.flat.recommended],
    rules: { "react-hooks/incompatible-library": "off" }, // a notice to the React compiler, which we do not use
    languageOptions: { parserOptions: { project: "./tsconfig.eslint.json", tsconfigRootDir: import.meta.dirname } },
  },
);
