import { defineConfig } from "vitest/config";
import react from "@vitejs/plugin-react";

/** Two layers: pure functions in Node; components in jsdom with a fake server, fake sockets and a fake clock. */
export default defineConfig({
  plugins: [react()],
  test: {
    testTimeout: 60_000, // a machine that also does other things is not a failure
    projects: [
      { extends: true, test: { name: "unit", environment: "node", include: ["tests/unit/**/*.test.ts"] } },
      {
        extends: true,
        test: {
          name: "dom",
          environment: "jsdom",
          include: ["tests/dom/**/*.test.{ts,tsx}"],
          setupFiles: ["tests/support/setup.ts"],
        },
      },
    ],
  },
});
