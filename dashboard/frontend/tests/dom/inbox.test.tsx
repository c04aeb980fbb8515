import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { showApp } from "../support/app";
import { row } from "../support/rows";
import { FakeServer, json, problem } from "../support/server";

const SINCE = "2026-01-01T00:00:00.000Z";
const ENTRY = {
  run: row(1, { status: "suspended", workflow: "refund" }),
  seq: 2,
  on: "breakpoint",
  name: "refund",
  ask: "Refund 100 EUR?",
  schema: { type: "object", properties: { approved: { type: "boolean", title: "Approved" } }, required: ["approved"] },
  since: SINCE,
};
const AMOUNT = {
  run: row(2, { status: "suspended" }),
  seq: 5,
  on: "update",
  name: "amount",
  ask: "How much?",
  schema: { type: "integer" },
  since: SINCE,
};

function server(entries: () => object[]): FakeServer {
  return new FakeServer().on("GET inbox", () => json({ count: entries().length, exact: true, entries: entries() }));
}

test("a breakpoint is answered in place with a comment and what it asks for", async () => {
  let open = [ENTRY];
  const fake = server(() => open).on("POST runs/r1/continue", () => {
    open = [];
    return json({ ...row(1), runId: "r1" });
  });
  showApp("/inbox");
  const form = await screen.findByRole("form", { name: "Answer refund" });
  expect(screen.getByText("Refund 100 EUR?")).toBeTruthy();
  fireEvent.click(within(form).getByRole("checkbox", { name: /Approved/ }));
  fireEvent.change(within(form).getByRole("textbox"), { target: { value: "Checked the order." } });
  fireEvent.click(within(form).getByRole("button", { name: "Continue" }));
  await screen.findByText("Nothing waits for a person");
  expect(fake.last("POST runs/r1/continue")?.body).toEqual({
    comment: "Checked the order.",
    seq: 2,
    payload: { approved: true },
  });
});

test("what does not fit is said before it is sent, and the validator's reason after", async () => {
  const fake = server(() => [AMOUNT]).on("POST runs/r2/updates/amount", () =>
    problem(422, "At most 50 can be refunded."),
  );
  showApp("/inbox");
  const form = await screen.findByRole("form", { name: "Answer amount" });
  fireEvent.change(within(form).getByRole("textbox"), { target: { value: "many" } });
  fireEvent.click(within(form).getByRole("button", { name: "Send" }));
  expect(within(form).getByText("This takes a whole number.")).toBeTruthy();
  expect(fake.count("POST runs/r2/updates/amount")).toBe(0);
  fireEvent.change(within(form).getByRole("textbox"), { target: { value: "90071992547409931" } });
  fireEvent.click(within(form).getByRole("button", { name: "Send" }));
  expect(await within(form).findByText("At most 50 can be refunded.")).toBeTruthy();
  expect(fake.last("POST runs/r2/updates/amount")?.text).toBe("90071992547409931");
});

test("the navigation says how much waits, and a wait is assigned", async () => {
  const fake = server(() => [ENTRY, AMOUNT]).on("POST runs/r1/waits/2/assign", () =>
    json({ ...ENTRY, assignee: "bob", assignedBy: "ada" }),
  );
  showApp("/inbox");
  const link = await screen.findByRole("link", { name: /Inbox\s*,\s*2\s*waiting/ });
  expect(link.getAttribute("href")).toBe("/inbox");
  fireEvent.click((await screen.findAllByRole("button", { name: "Assign…" }))[0] as HTMLElement);
  const name = screen.getByRole("textbox", { name: "Assign to" });
  fireEvent.change(name, { target: { value: "bob" } });
  fireEvent.keyDown(name, { key: "Enter" });
  expect(await screen.findByText("Assigned to bob.")).toBeTruthy();
  expect(fake.last("POST runs/r1/waits/2/assign")?.body).toEqual({ assignee: "bob" });
  fireEvent.click(screen.getByRole("button", { name: "Nobody's" }));
  await waitFor(() => expect(fake.last("GET inbox")?.query.get("assignee")).toBe(""));
});
