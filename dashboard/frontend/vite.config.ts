import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { licenses } from "./licenses";

/** The bundle is served below any prefix, so every address in it is relative. File names carry content hashes. */
export default defineConfig({
  base: "./",
  plugins: [react(), licenses()],
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: true,
    reportCompressedSize: true,
  },
});
