import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { showApp } from "../support/app";
import { detail } from "../support/rows";
import { FakeServer } from "../support/server";

const GIVEN = '{"args": [9007199254740993, 1.0], "kwargs": {}}';

function server(plain: boolean): FakeServer {
  const headers = { "Content-Type": "application/json", "X-Payload-Plain": String(plain) };
  return new FakeServer()
    .on("GET runs/r1", detail({ id: "r1", status: "failed", input: { args: ["9007199254740993", 1], kwargs: {} } }))
    .on("GET runs/r1/payload/input", () => new Response(GIVEN, { headers }))
    .on("POST runs/r1/retry-with-input", { runId: "r2" });
}

async function openDialog(): Promise<HTMLElement> {
  showApp("/runs/r1");
  fireEvent.click(await screen.findByRole("button", { name: "More actions" }));
  fireEvent.click(screen.getByRole("menuitem", { name: /other input/ }));
  return screen.findByRole("dialog");
}

test("an input that is sent again keeps its long integers and its floats", async () => {
  const asked = server(true);
  const dialog = await openDialog();
  const field = within(dialog).getByRole("textbox");
  await waitFor(() => expect((field as HTMLTextAreaElement).value).toContain("9007199254740993"));
  expect((field as HTMLTextAreaElement).value).toContain("1.0");
  expect(dialog.textContent).not.toContain("cannot say");
  fireEvent.click(within(dialog).getByRole("button", { name: "Start" }));
  await waitFor(() => expect(asked.count("POST runs/r1/retry-with-input")).toBe(1));
  expect(asked.last("GET runs/r1/payload/input")?.query.get("exact")).toBe("true");
  const sent = asked.last("POST runs/r1/retry-with-input")?.text ?? "";
  expect(sent.replaceAll(/\s/g, "")).toBe(`{"input":${GIVEN.replaceAll(/\s/g, "")}}`);
});

test("what JSON cannot say is said to change", async () => {
  server(false);
  const dialog = await openDialog();
  expect(await within(dialog).findByText("JSON cannot say all of this input")).toBeTruthy();
});
