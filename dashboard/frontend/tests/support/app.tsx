/** The whole page over a fake server. */
import { QueryClientProvider, type QueryClient } from "@tanstack/react-query";
import { act, render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import { makeQueryClient } from "../../src/api/client";
import { App } from "../../src/shell/App";
import type { Later } from "./server";

export interface Shown {
  client: QueryClient;
  unmount: () => void;
}

/** Draw something with everything that pages stand on. Answers are asked for once: a test says what a retry is. */
export function show(children: ReactNode): Shown {
  const client = makeQueryClient();
  client.setDefaultOptions({
    ...client.getDefaultOptions(),
    queries: { ...client.getDefaultOptions().queries, retry: false },
  });
  const { unmount } = render(<QueryClientProvider client={client}>{children}</QueryClientProvider>);
  return { client, unmount };
}

/** Draw the whole page at an address. */
export function showApp(address = "/"): Shown {
  window.history.replaceState(null, "", address);
  return show(<App />);
}

/** Stop the clock; ``pass`` moves it. What comes from outside, such as the body of an answer, still takes its own turn. */
export function stopClock(now = 1_000_000): void {
  vi.useFakeTimers({
    now,
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
  });
}

const TURNS = 4;
const realTimeout = globalThis.setTimeout;

/** Let time pass, with everything that happens in it. */
export async function pass(ms = 0): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    await act(async () => {
      await vi.advanceTimersByTimeAsync(turn === 0 ? ms : 0);
      await new Promise((resolve) => realTimeout(resolve, 0));
    });
  }
}

/** Let an answer come, and everything that follows from it. */
export async function comes(later: Later, response: Response): Promise<void> {
  await act(async () => {
    later.come(response);
    await later.response;
  });
}
