import { fireEvent, screen } from "@testing-library/react";
import { beforeEach, expect, test, vi } from "vitest";
import { get, signedOut } from "../../src/api/http";
import { Boundary } from "../../src/shell/Boundary";
import { lazyPart } from "../../src/shell/lazyPart";
import { pass, show, showApp, stopClock } from "../support/app";
import { FakeServer } from "../support/server";

/** What a sign-in page in front of the app answers in place of ours. */
const PAGE = (): Response =>
  new Response("<!doctype html><title>Sign in</title>", { headers: { "Content-Type": "text/html; charset=utf-8" } });
/** What a browser makes of a redirect that is not followed. */
const REDIRECT = (): Response => Object.defineProperty(Response.error(), "type", { value: "opaqueredirect" });
const RELOAD = "Your session has ended.";

beforeEach(() => signedOut.set(false));

test.each([
  ["a redirect to a sign-in page", REDIRECT],
  ["a sign-in page in place of JSON", PAGE],
])("%s means: signed out, reload", async (_, answer) => {
  const server = new FakeServer();
  for (const route of ["runs", "health", "config", "runs/facets", "me"]) server.on(`GET ${route}`, answer);
  showApp("/");
  expect(await screen.findByRole("button", { name: "Reload to sign in" })).toBeTruthy();
});

test("signed in again, the banner goes by itself", async () => {
  const server = new FakeServer().on("GET health", PAGE);
  await get("/health", {}).catch(() => undefined);
  expect(signedOut.get()).toBe(true);
  server.on("GET health", { status: "ok", problems: [] });
  await get("/health", {});
  expect(signedOut.get()).toBe(false);
});

/** A part whose script does not come: an import that rejects is all that code sees of HTML in its place. */
class Script {
  loads = 0;
  comes = false;
  readonly Part = lazyPart(
    () => {
      this.loads += 1;
      return this.comes
        ? Promise.resolve({ Page: () => "drawn" })
        : Promise.reject<{ Page: () => string }>(new TypeError("Failed to fetch dynamically imported module"));
    },
    (module) => module.Page,
  ).Part;

  async show(): Promise<void> {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    stopClock();
    show(
      <Boundary what="The part">
        <this.Part />
      </Boundary>,
    );
    for (let second = 0; second < 20; second += 1) await pass(1000);
    vi.useRealTimers();
  }
}

test("a sign-in page in place of a script means the same, and is not asked for again and again", async () => {
  new FakeServer().on("GET health", PAGE);
  const script = new Script();
  await script.show();
  expect(screen.getByRole("alert").textContent).toContain(RELOAD);
  expect(signedOut.get()).toBe(true);
  expect(script.loads).toBe(3);
});

test("a script that a newer server does not have is no sign-out, and may be tried again", async () => {
  new FakeServer();
  const script = new Script();
  await script.show();
  expect(screen.getByRole("alert").textContent).toContain("the server may have a newer one");
  expect(signedOut.get()).toBe(false);
  script.comes = true;
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText("drawn")).toBeTruthy();
});
