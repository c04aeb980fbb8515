/** The cache of answers, and what holds for every request through it. */
import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "../lib/errors";

/** A refusal stays a refusal; only silence and overload are worth asking again. */
function isWorthAnotherTry(count: number, error: Error): boolean {
  return count < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500);
}

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      // The browser's idea of "online" is about the internet: the server may be on this very machine. And an action that
      // was held back must never be sent by itself later, when nobody looks any more.
      queries: {
        networkMode: "always",
        staleTime: 2000,
        refetchOnWindowFocus: true,
        retry: isWorthAnotherTry,
        retryDelay: (attempt) => 400 * 2 ** attempt,
      },
      mutations: { networkMode: "always", retry: false },
    },
  });
}
