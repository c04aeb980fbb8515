import { expect, test, vi } from "vitest";

test("a clock that rested shows the time of now to whoever looks first", async () => {
  vi.stubGlobal("window", globalThis);
  vi.stubGlobal("document", { visibilityState: "visible" });
  vi.useFakeTimers({ now: 0 });
  const { makeTicker } = await import("../../src/lib/clock");
  const ticker = makeTicker(1000);
  const stop = ticker.subscribe(() => undefined);
  stop();
  vi.setSystemTime(600_000);
  expect(ticker.read()).toBe(600_000);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
