/** A small router on the History API: paths below the configured base. */
import { type AnchorHTMLAttributes, type MouseEvent, type ReactNode, useSyncExternalStore } from "react";
import { config } from "../config";

const CHANGED = "durable:navigate";

export interface Location {
  /** Below the base, always beginning with a slash. */
  path: string;
  search: string;
}

let cached: Location = { path: "", search: "" };

function readLocation(): Location {
  const { pathname, search } = window.location;
  const below = pathname.startsWith(config.base) ? pathname.slice(config.base.length) : "/";
  // "/workers/" is the page "/workers". A run's id may end in a slash of its own, but then it is escaped.
  const path = below.replace(/\/+$/, "") || "/";
  if (path !== cached.path || search !== cached.search) cached = { path, search };
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

/** What a history entry remembers: the address from which a link of this page led here. */
interface Entry {
  from?: string;
}

function entry(): Entry {
  return (window.history.state ?? {}) as Entry;
}

export function navigate(to: string, { replace = false }: { replace?: boolean } = {}): void {
  const url = href(to);
  const { path, search } = readLocation();
  if (isList(`${path}${search}`)) lastList = `${path}${search}`;
  if (replace) window.history.replaceState(entry(), "", url);
  else window.history.pushState({ from: `${path}${search}` } satisfies Entry, "", url);
  window.dispatchEvent(new Event(CHANGED));
}

const isList = (address: string): boolean => address === "/" || address.startsWith("/?");
let lastList = "/";

/** Go back to the list that the reader came from, with its filter; to the whole list when there was none. */
export function leaveToList(): void {
  const { from } = entry();
  if (from !== undefined && isList(from)) window.history.back();
  else navigate(lastList);
}

export function runPath(id: string, params?: Record<string, string>): string {
  const query = params ? `?${new URLSearchParams(params)}` : "";
  return `/runs/${encodeURIComponent(id)}${query}`;
}

/** Change some parameters of the address; an empty value removes one. */
export function setParams(
  changes: Record<string, string | null>,
  options: { replace?: boolean } = { replace: true },
): void {
  const { path, search } = readLocation();
  const params = new URLSearchParams(search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === "") params.delete(key);
    else params.set(key, value);
  }
  navigate(params.size ? `${path}?${params}` : path, options);
}

export type LinkProps = AnchorHTMLAttributes<HTMLAnchorElement> & { to: string; children: ReactNode };

export function Link({ to, onClick, ...rest }: LinkProps) {
  const follow = (event: MouseEvent<HTMLAnchorElement>): void => {
    onClick?.(event);
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    navigate(to);
  };
  return <a href={href(to)} onClick={follow} {...rest} />;
}
