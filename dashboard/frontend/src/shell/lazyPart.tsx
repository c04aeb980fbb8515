import { type ComponentType, lazy, type LazyExoticComponent, type ReactNode } from "react";
import { get, signedOut } from "../api/http";

const PAUSES_MS = [400, 1500];

/** Load a chunk; a network that stumbles once is no reason to lose a page. */
async function patiently<T>(load: () => Promise<T>): Promise<T> {
  for (const pause of PAUSES_MS) {
    try {
      return await load();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  try {
    return await load();
  } catch (cause) {
    // A sign-in page in its place, a newer server without it, or nobody: a plain request tells which, for the banner.
    await get("/health", {}).catch(() => undefined);
    throw new Error(
      signedOut.get()
        ? "Your session has ended. Reload the page to sign in again."
        : "This part of the page could not be loaded. Reload the page if it happens again: the server may have a newer one.",
      { cause },
    );
  }
}

export interface LazyPart<P> {
  Part: (props: P) => ReactNode;
  /** Fetch the chunk ahead of its use, on hover say. */
  preload: () => void;
}

/**
 * A part that is loaded when it is first drawn. One that failed to load can be drawn again: React's own ``lazy`` would
 * keep the failure for good.
 *
 *     const workers = lazyPart(() => import("../pages/workers/WorkersPage"), (module) => module.WorkersPage);
 */
export function lazyPart<P extends object, M>(
  load: () => Promise<M>,
  pick: (module: M) => ComponentType<P>,
): LazyPart<P> {
  let current: LazyExoticComponent<ComponentType<P>>;
  const renew = (): void => {
    current = lazy(() =>
      patiently(load).then(
        (module) => ({ default: pick(module) }),
        (error: unknown) => {
          renew();
          throw error instanceof Error ? error : new Error(String(error));
        },
      ),
    );
  };
  renew();
  const Part = (props: P): ReactNode => {
    const Current = current as unknown as ComponentType<P>;
    return <Current {...props} />;
  };
  return { Part, preload: () => void load().catch(() => undefined) };
}
