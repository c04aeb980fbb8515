import { fireEvent, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, test } from "vitest";
import { showApp } from "../support/app";
import { detail, row } from "../support/rows";
import { FakeServer } from "../support/server";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer().on("GET runs", [row(3), row(2), row(1)]);
});

/** True when the browser itself was left to act on the key. */
const leaves = (element: Element, key: string): boolean => fireEvent.keyDown(element, { key });

test("Enter and Space belong to the link or button that has the focus", async () => {
  showApp();
  const link = (await screen.findAllByRole("link", { name: "order" }))[0] as HTMLElement;
  for (const control of [
    link,
    screen.getByRole("link", { name: "Workers" }),
    screen.getByRole("button", { name: "Start a run" }),
  ]) {
    control.focus();
    expect(leaves(control, "Enter")).toBe(true);
    expect(leaves(control, " ")).toBe(true);
    expect(window.location.pathname).toBe("/");
  }
});

test("a person who tabs to a button presses it with Enter", async () => {
  showApp();
  const start = await screen.findByRole("button", { name: "Start a run" });
  start.focus();
  await userEvent.keyboard("{Enter}");
  expect(await screen.findByRole("dialog", { name: "Start a run" })).toBeTruthy();
});

test("the row cursor is the focus, so that Enter opens it", async () => {
  showApp();
  await screen.findAllByRole("link", { name: "order" });
  fireEvent.keyDown(document.body, { key: "j" });
  fireEvent.keyDown(document.body, { key: "j" });
  await waitFor(() => expect(document.activeElement?.closest("[data-run]")?.getAttribute("data-run")).toBe("r2"));
  fireEvent.keyDown(document.activeElement ?? document.body, { key: "ArrowDown" });
  await waitFor(() => expect(document.activeElement?.closest("[data-run]")?.getAttribute("data-run")).toBe("r1"));
});

test("a key that finds nothing to do keeps its own meaning", async () => {
  server.on("GET runs", []);
  showApp();
  await screen.findByText("No runs yet");
  for (const key of ["ArrowDown", "Enter", "x", "Escape"]) expect(leaves(document.body, key)).toBe(true);
});

test("Enter in the search box applies it at once", async () => {
  showApp();
  await userEvent.type(await screen.findByRole("searchbox"), "r2");
  await userEvent.keyboard("{Enter}");
  expect(window.location.search).toBe("?q=r2");
});

test("the cursor stays on its run when a filter that still shows it takes effect", async () => {
  server.on("GET runs", [row(2)]).on("GET runs/r2", detail({ id: "r2", workflow: "order" }));
  showApp();
  await userEvent.type(await screen.findByRole("searchbox"), "r2");
  const box = document.activeElement as HTMLElement;
  box.blur(); // as a click beside it: the search is not applied yet
  fireEvent.keyDown(document.body, { key: "j" });
  await waitFor(() => expect(document.querySelector("[data-current]")).toBeTruthy());
  await waitFor(() => expect(window.location.search).toBe("?q=r2"));
  await waitFor(() => expect(server.last("GET runs")?.query.get("q")).toBe("r2"));
  expect(document.querySelector("[data-current]")?.getAttribute("data-run")).toBe("r2");
  if (leaves(document.activeElement ?? document.body, "Enter")) fireEvent.click(document.activeElement as Element);
  expect(window.location.pathname).toBe("/runs/r2");
});

test("a run that the filter no longer shows cannot be opened by Enter", async () => {
  showApp();
  await screen.findAllByRole("link", { name: "order" });
  fireEvent.keyDown(document.body, { key: "j" });
  await waitFor(() => expect(document.querySelector("[data-current]")).toBeTruthy());
  server.on("GET runs", []);
  await userEvent.type(screen.getByRole("searchbox"), "zzz{Enter}");
  await screen.findByText("No run matches this filter");
  expect(leaves(document.body, "Enter")).toBe(true);
  expect(window.location.pathname).toBe("/");
});

test("[ and ] step through the list that one came from, r and c act on what is selected in it", async () => {
  for (const n of [1, 2, 3]) server.on(`GET runs/r${n}`, detail({ ...row(n, { status: "failed" }) }));
  server.on("POST bulk/retry", { matched: 1, byStatus: { failed: 1 }, sample: [], boundMs: 9 });
  showApp();
  await screen.findAllByRole("link", { name: "order" });
  expect(leaves(document.body, "r")).toBe(true);
  fireEvent.keyDown(document.body, { key: "j" });
  fireEvent.keyDown(document.body, { key: "r" });
  await screen.findByRole("dialog", { name: "Retry 1 ticked run?" });
  expect(server.last("POST bulk/retry")?.body).toEqual({ ids: ["r3"] });
  fireEvent.click(screen.getByRole("button", { name: "Keep as is" }));
  fireEvent.click((await screen.findAllByRole("link", { name: "order" }))[1] as HTMLElement);
  await waitFor(() => expect(window.location.pathname).toBe("/runs/r2"));
  await screen.findByRole("heading", { level: 1 });
  fireEvent.keyDown(document.body, { key: "]" });
  await waitFor(() => expect(window.location.pathname).toBe("/runs/r1"));
  await screen.findByRole("heading", { level: 1 });
  expect(leaves(document.body, "]")).toBe(true);
  fireEvent.keyDown(document.body, { key: "[" });
  await waitFor(() => expect(window.location.pathname).toBe("/runs/r2"));
});
