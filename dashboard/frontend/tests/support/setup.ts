/** What jsdom lacks and the page needs: a viewport, dialogs, sockets. Runs before every test file of the DOM layer. */
import { cleanup, configure } from "@testing-library/react";
import { afterEach, beforeEach, vi } from "vitest";
import { signedOut } from "../../src/api/http";
import { endShare } from "../../src/live/share";
import { runs } from "../../src/live/store";
import { forgetLists } from "../../src/live/useLiveRuns";
import { FakeEventSource, FakeSocket } from "./sockets";

const WIDTH_PX = 1280;
const HEIGHT_PX = 800;

class StillObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

Object.defineProperties(HTMLElement.prototype, {
  offsetWidth: { configurable: true, get: () => WIDTH_PX },
  offsetHeight: { configurable: true, get: () => HEIGHT_PX },
  clientHeight: { configurable: true, get: () => HEIGHT_PX },
  clientWidth: { configurable: true, get: () => WIDTH_PX },
});
HTMLElement.prototype.scrollTo = function scrollTo(this: HTMLElement, options?: ScrollToOptions | number): void {
  this.scrollTop = typeof options === "object" ? (options.top ?? 0) : 0;
  this.dispatchEvent(new Event("scroll"));
};
HTMLDialogElement.prototype.showModal = function showModal(this: HTMLDialogElement): void {
  this.setAttribute("open", "");
  // As browsers do: the first element that can take the focus gets it.
  this.querySelector<HTMLElement>("button, input, select, textarea, a[href]")?.focus();
};
HTMLDialogElement.prototype.close = function close(this: HTMLDialogElement): void {
  this.removeAttribute("open");
};

globalThis.CSS = { escape: (text: string) => text.replace(/["\\]/g, "\\$&") } as unknown as typeof CSS;
configure({ getElementError: (message) => new Error(message ?? "Not found."), asyncUtilTimeout: 15_000 });
window.matchMedia = (query: string) =>
  ({
    matches: false,
    media: query,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }) as unknown as MediaQueryList;

beforeEach(() => {
  vi.stubGlobal("ResizeObserver", StillObserver);
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("EventSource", FakeEventSource);
  FakeSocket.all = [];
  FakeEventSource.all = [];
});

afterEach(() => {
  cleanup();
  endShare();
  forgetLists();
  runs.clear();
  signedOut.set(false);
  vi.useRealTimers();
  window.history.replaceState(null, "", "/");
  localStorage.clear();
  document.body.innerHTML = "";
});
