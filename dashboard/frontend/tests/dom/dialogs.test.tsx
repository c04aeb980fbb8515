import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
import { comes, showApp } from "../support/app";
import { at, detail, step } from "../support/rows";
import { FakeServer, json, Later } from "../support/server";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer()
    .on("GET runs/r1", detail({ id: "r1", status: "failed" }, [step(1, { status: "failed" })]))
    .on("GET runs/r1/graph", { nodes: [], edges: [], width: 0, height: 0 })
    .on("GET runs/r1/undo", { compensations: [] });
});

test("a dialog opens with the focus on its answer, not on the button that closes it", async () => {
  showApp("/runs/r1");
  fireEvent.click(await screen.findByRole("button", { name: "Retry" }));
  const dialog = screen.getByRole("dialog");
  expect(document.activeElement).toBe(within(dialog).getByRole("button", { name: "Retry" }));
});

test("a dialog with something to type opens with the focus there", async () => {
  showApp("/");
  fireEvent.click(await screen.findByRole("button", { name: "Start a run" }));
  await waitFor(() => expect(document.activeElement).toBe(screen.getByLabelText("Workflow")));
});

test("an answer that comes after its dialog was dismissed does not lead away from where one is", async () => {
  const later = new Later();
  server.on("POST runs", () => later.response);
  showApp("/");
  fireEvent.click(await screen.findByRole("button", { name: "Start a run" }));
  fireEvent.change(await screen.findByLabelText("Workflow"), { target: { value: "order" } });
  fireEvent.click(screen.getByRole("button", { name: "Start" }));
  fireEvent.click(screen.getByRole("button", { name: "Not now" }));
  fireEvent.click(screen.getByRole("link", { name: "Workers" }));
  await comes(later, json({ runId: "new" }));
  await screen.findByText("Started.");
  expect(window.location.pathname).toBe("/workers");
});

test("a late answer does not close the dialog that was opened after its own", async () => {
  const later = new Later();
  server.on("POST runs/r1/retry", () => later.response);
  showApp("/runs/r1");
  fireEvent.click(await screen.findByRole("button", { name: "Retry" }));
  fireEvent.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Retry" }));
  fireEvent.click(screen.getByRole("button", { name: "Close" }));
  fireEvent.click(screen.getByRole("button", { name: "More actions" }));
  fireEvent.click(screen.getByRole("menuitem", { name: /Fork/ }));
  await comes(later, json({}));
  await screen.findByText("Retry is under way.");
  await waitFor(() => expect(screen.getByRole("dialog", { name: "Fork a new run" })).toBeTruthy());
});

test("a sleep is woken with a comment, and only the one that was seen", async () => {
  const waiting = { on: "sleep" as const, name: "cool down", since: at(0), seq: 4 };
  const asleep = { id: "r1", status: "suspended" as const, waiting, allowed: ["wake" as const] };
  server.on("GET runs/r1", detail(asleep, [])).on("POST runs/r1/wake", {});
  showApp("/runs/r1");
  fireEvent.click(await screen.findByRole("button", { name: "Wake" }));
  const dialog = screen.getByRole("dialog");
  fireEvent.change(within(dialog).getByLabelText(/Comment/), { target: { value: " The gateway is back. " } });
  fireEvent.click(within(dialog).getByRole("button", { name: "Wake" }));
  await screen.findByText("Woken.");
  const sent = server.asked.find((asked) => asked.path === "runs/r1/wake");
  expect(sent?.body).toEqual({ comment: "The gateway is back.", seq: 4 });
});
