import { cleanup, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { showApp } from "../support/app";
import { detail, row } from "../support/rows";
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

test("the run's own page answers what it waits for by its type, as the inbox does", async () => {
  const waiting = { on: "update", name: "amount", since: SINCE, seq: 5 } as const;
  const fake = new FakeServer()
    .on("GET runs/r2", detail({ id: "r2", status: "suspended", waiting, allowed: ["update"] }))
    .on("GET runs/r2/waits", [{ seq: 5, on: "update", name: "amount", ask: "How much?", schema: { type: "integer" } }])
    .on("POST runs/r2/updates/amount", () => problem(422, "At most 50 can be refunded."));
  showApp("/runs/r2");
  const form = await screen.findByRole("form", { name: "Answer amount" });
  expect(screen.getByText("How much?")).toBeTruthy();
  fireEvent.change(within(form).getByRole("textbox"), { target: { value: "many" } });
  fireEvent.click(within(form).getByRole("button", { name: "Send" }));
  expect(within(form).getByText("This takes a whole number.")).toBeTruthy();
  fireEvent.change(within(form).getByRole("textbox"), { target: { value: "99" } });
  fireEvent.click(within(form).getByRole("button", { name: "Send" }));
  expect(await within(form).findByText("At most 50 can be refunded.")).toBeTruthy();
  expect(fake.last("POST runs/r2/updates/amount")?.text).toBe("99");
});

test("a signed link opens its question, says that it was answered, and says why it opens nothing", async () => {
  let answer = (): Response => json(ENTRY);
  new FakeServer().on("GET inbox/token", () => answer()).on("POST runs/r1/continue", { ...row(1), runId: "r1" });
  showApp("/inbox/token");
  const form = await screen.findByRole("form", { name: "Answer refund" });
  fireEvent.click(within(form).getByRole("button", { name: "Continue" }));
  await screen.findByRole("heading", { name: "Answered" });
  expect(screen.getByRole("link", { name: "See the run" }).getAttribute("href")).toBe("/runs/r1");
  answer = () => problem(404, "This link has expired.");
  cleanup();
  showApp("/inbox/token");
  expect(await screen.findByText("This link has expired.")).toBeTruthy();
});

test("a link to a question is made for the clipboard, or shown where there is none", async () => {
  server(() => [ENTRY]).on("POST runs/r1/waits/2/link", {
    url: "https://ops.example.com/durable/inbox/abc",
    token: "abc",
    expiresAt: "2026-01-08T00:00:00.000Z",
  });
  showApp("/inbox");
  fireEvent.click(await screen.findByRole("button", { name: "Copy link" }));
  const shown = await screen.findByRole("textbox", { name: "Link to this question" });
  expect((shown as HTMLInputElement).value).toBe("https://ops.example.com/durable/inbox/abc");
});
