/** The cache of answers, and what holds for every request through it. */
import { QueryClient } from "@tanstack/react-query";
import { isWorthAnotherTry } from "../lib/errors";

const TRIES = 2;

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      // The browser's idea of "online" is about the internet: the server may be on this very machine. And an action that
      // was held back must never be sent by itself later, when nobody looks any more.
      queries: {
        networkMode: "always",
        staleTime: 2000,
        refetchOnWindowFocus: true,
        retry: (count, error) => count < TRIES && isWorthAnotherTry(error),
        retryDelay: (attempt) => 400 * 2 ** attempt,
      },
      mutations: { networkMode: "always", retry: false },
    },
  });
}
