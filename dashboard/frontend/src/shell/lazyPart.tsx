import { type ComponentType, lazy, type LazyExoticComponent, type ReactNode } from "react";
import { get, signedOut } from "../api/http";
import { LoadError } from "../lib/errors";

const PAUSES_MS = [400, 1500];

/** Load a chunk; a network that stumbles once is no reason to lose a page. */
async function patiently<T>(load: () => Promise<T>, again: () => void): Promise<T> {
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
    const reason = signedOut.get()
      ? "Your session has ended. Reload the page to sign in again."
      : "This part of the page could not be loaded. Reload the page if it happens again: the server may have a newer one.";
    throw new LoadError(reason, cause, again);
  }
}

export interface LazyPart<P> {
  Part: (props: P) => ReactNode;
  /** Fetch the chunk ahead of its use, on hover say. */
  preload: () => void;
}

/**
 * A part that is loaded when it is first drawn. One that failed to load is loaded again when its Boundary is tried again,
 * and not before: React draws what failed once more to show the failure.
 *
 *     const workers = lazyPart(() => import("../pages/workers/WorkersPage"), (module) => module.WorkersPage);
 */
export function lazyPart<P extends object, M>(
  load: () => Promise<M>,
  pick: (module: M) => ComponentType<P>,
): LazyPart<P> {
  let current: LazyExoticComponent<ComponentType<P>>;
  const renew = (): void => {
    current = lazy(() => patiently(load, renew).then((module) => ({ default: pick(module) })));
  };
  renew();
  const Part = (props: P): ReactNode => {
    const Current = current as unknown as ComponentType<P>;
    return <Current {...props} />;
  };
  return { Part, preload: () => void load().catch(() => undefined) };
}
