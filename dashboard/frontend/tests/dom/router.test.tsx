import { fireEvent, screen, waitFor } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
import { showApp } from "../support/app";
import { detail, row } from "../support/rows";
import { FakeServer } from "../support/server";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer()
    .on("GET runs", [row(1, { status: "failed" })])
    .on("GET runs/r1", detail({ id: "r1", status: "failed" }))
    .on("GET runs/r1/graph", { nodes: [], edges: [], width: 0, height: 0 });
});

test("Escape on a run goes back to the list as it was, and adds nothing to the history", async () => {
  showApp("/?status=failed");
  const before = window.history.length;
  fireEvent.click(await screen.findByRole("link", { name: "order" }));
  await screen.findByRole("heading", { name: "order" });
  expect(window.history.length).toBe(before + 1);
  fireEvent.keyDown(document.body, { key: "Escape" });
  await screen.findByRole("grid", { name: "Runs" });
  expect(window.location.search).toBe("?status=failed");
  expect(window.history.length).toBe(before + 1);
});

test("Escape on a run that was opened by its address goes to the whole list", async () => {
  showApp("/runs/r1");
  await screen.findByRole("heading", { name: "order" });
  fireEvent.keyDown(document.body, { key: "Escape" });
  await waitFor(() => expect(window.location.pathname).toBe("/"));
});

test("a slash at the end of an address is the same page", async () => {
  showApp("/workers/");
  expect(await screen.findByRole("heading", { name: "Workers" })).toBeTruthy();
});

test("an address that is none is a page not found", async () => {
  showApp("/runs/%");
  expect(await screen.findByRole("heading", { name: "Page not found" })).toBeTruthy();
});

test("a space typed before the next word stays", async () => {
  showApp("/");
  const box = await screen.findByLabelText("Search runs by id or workflow");
  fireEvent.change(box, { target: { value: "order " } });
  await waitFor(() => expect(window.location.search).toBe("?q=order"));
  expect(box).toHaveProperty("value", "order ");
  expect(server.last("GET runs")?.query.get("q")).toBe("order");
});
