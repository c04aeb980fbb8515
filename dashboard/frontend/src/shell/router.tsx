/**
 * A small router on the History API: paths below the configured base, typed searches, and memory for each history entry,
 * so that Back finds the page as it was left.
 */
import {
  type AnchorHTMLAttributes,
  type MouseEvent,
  type ReactNode,
  type RefObject,
  useCallback,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from "react";
import { config } from "../config";
import type { Search } from "../lib/search";

const CHANGED = "durable:navigate";

export interface Location {
  /** Below the base, always beginning with a slash. */
  path: string;
  search: string;
  /** Names the history entry: the same again after Back. */
  entry: string;
}

/** What a history entry carries. */
interface EntryState {
  key: string;
  /** The address from which a link of this page led here. */
  from?: string;
  /** What parts of the page want to find again. */
  keep?: Record<string, unknown>;
}

const newKey = (): string => Math.random().toString(36).slice(2, 10);
const FIRST = "first";

function entryState(): EntryState {
  const state: unknown = window.history.state;
  return typeof state === "object" && state !== null && "key" in state ? (state as EntryState) : { key: FIRST };
}

let cached: Location = { path: "", search: "", entry: "" };

function readLocation(): Location {
  const { pathname, search } = window.location;
  const below = pathname.startsWith(config.base) ? pathname.slice(config.base.length) : "/";
  // "/workers/" is the page "/workers". A run's id may end in a slash of its own, but then it is escaped.
  const path = below.replace(/\/+$/, "") || "/";
  const { key } = entryState();
  if (path !== cached.path || search !== cached.search || key !== cached.entry) cached = { path, search, entry: key };
  return cached;
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("popstate", listener);
  window.addEventListener(CHANGED, listener);
  return () => {
    window.removeEventListener("popstate", listener);
    window.removeEventListener(CHANGED, listener);
  };
}

export function useLocation(): Location {
  return useSyncExternalStore(subscribe, readLocation);
}

export function href(to: string): string {
  return `${config.base}${to}`;
}

const isList = (address: string): boolean => address === "/" || address.startsWith("/?");
let lastList = "/";

export function navigate(to: string, { replace = false }: { replace?: boolean } = {}): void {
  const { path, search } = readLocation();
  if (isList(`${path}${search}`)) lastList = `${path}${search}`;
  if (replace) window.history.replaceState(entryState(), "", href(to));
  else window.history.pushState({ key: newKey(), from: `${path}${search}` } satisfies EntryState, "", href(to));
  window.dispatchEvent(new Event(CHANGED));
}

/** Go back to the list that the reader came from, with its filter; to the whole list when there was none. */
export function leaveToList(): void {
  const { from } = entryState();
  if (from !== undefined && isList(from)) window.history.back();
  else navigate(lastList);
}

/** A page's typed search and how to change parts of it. Changes replace the address; Back leaves the page. */
export function useSearch<T>(schema: Search<T>): [T, (changes: Partial<T>) => void] {
  const { search } = useLocation();
  const value = useMemo(() => schema.parse(new URLSearchParams(search)), [schema, search]);
  const change = useCallback(
    (changes: Partial<T>) => {
      const { path, search: now } = readLocation();
      const params = schema.format({ ...schema.parse(new URLSearchParams(now)), ...changes });
      navigate(params.size > 0 ? `${path}?${params}` : path, { replace: true });
    },
    [schema],
  );
  return [value, change];
}

function remember(name: string, value: unknown): void {
  const state = entryState();
  window.history.replaceState({ ...state, keep: { ...state.keep, [name]: value } } satisfies EntryState, "");
}

/**
 * State that belongs to the history entry: gone on a new page, there again after Back.
 * ``value`` must be what ``history.state`` can hold: plain data.
 */
export function useEntryState<T>(name: string, first: T): [T, (next: T) => void] {
  const [value, setValue] = useState<T>(() => {
    const kept = entryState().keep?.[name];
    return kept === undefined ? first : (kept as T);
  });
  const set = useCallback(
    (next: T) => {
      remember(name, next);
      setValue(next);
    },
    [name],
  );
  return [value, set];
}

const RESTORE_FOR_MS = 2000;
const SAVE_AFTER_MS = 120;

/** Keep an element's scroll position with the history entry; restore it once its content is tall enough. */
export function useScrollMemory(ref: RefObject<HTMLElement | null>, name: string): void {
  const { entry } = useLocation();
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const wanted = Number(entryState().keep?.[name] ?? 0);
    const until = Date.now() + RESTORE_FOR_MS;
    let frame = 0;
    let timer: number | undefined;
    const restore = (): void => {
      element.scrollTop = wanted;
      // Content still comes: try again until it is tall enough, for a while.
      if (Math.abs(element.scrollTop - wanted) > 1 && Date.now() < until) frame = requestAnimationFrame(restore);
    };
    const stop = (): void => cancelAnimationFrame(frame);
    const save = (): void => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => {
        if (entryState().key === entry) remember(name, element.scrollTop);
      }, SAVE_AFTER_MS);
    };
    restore();
    element.addEventListener("scroll", save, { passive: true });
    // A reader who scrolls decides.
    for (const kind of ["wheel", "touchmove", "keydown"]) element.addEventListener(kind, stop, { passive: true });
    return () => {
      stop();
      window.clearTimeout(timer);
      element.removeEventListener("scroll", save);
      for (const kind of ["wheel", "touchmove", "keydown"]) element.removeEventListener(kind, stop);
    };
  }, [ref, name, entry]);
}

export type LinkProps = AnchorHTMLAttributes<HTMLAnchorElement> & { to: string; children: ReactNode };

export function Link({ to, onClick, ...rest }: LinkProps) {
  const follow = (event: MouseEvent<HTMLAnchorElement>): void => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return <a href={href(to)} onClick={follow} {...rest} />;
}
