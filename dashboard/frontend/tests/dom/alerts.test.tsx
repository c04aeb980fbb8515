import { fireEvent, screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { showApp } from "../support/app";
import { FakeServer, json, problem } from "../support/server";

const AT = "2026-01-01T00:00:00.000Z";
const ALERT = {
  id: "i1",
  rule: "failure_rate",
  kind: "failure_rate",
  subject: "order",
  state: "open",
  summary: "21 of 100 runs of order failed (21%, over 20%).",
  link: "/?status=failed&workflow=order",
  openedAt: AT,
  seenAt: AT,
  reopened: 0,
};

function answer(alerts: object[], fields: object = {}): Response {
  const open = alerts.filter((one) => "state" in one && one.state === "open").length;
  return json({ alerts, open, rules: ["failure_rate"], targets: ["slack"], lookedAt: AT, ...fields });
}

test("an incident is counted in the navigation, leads to its runs, and is resolved in place", async () => {
  let alerts: object[] = [ALERT];
  const server = new FakeServer()
    .on("GET alerts", () => answer(alerts))
    .on("POST alerts/i1/resolve", () => {
      alerts = [{ ...ALERT, state: "ended", endedAt: AT, endedBy: "ada" }];
      return json(alerts[0]);
    });
  showApp("/alerts");
  const entry = (await screen.findByRole("link", { name: ALERT.summary })).closest("li")!;
  expect(screen.getByRole("link", { name: /^Alerts.*1.*open$/ })).toBeTruthy();
  expect(within(entry).getByRole("link").getAttribute("href")).toContain("status=failed&workflow=order");
  fireEvent.click(within(entry).getByRole("button", { name: "Resolve…" }));
  fireEvent.change(screen.getByLabelText("Note"), { target: { value: "Rolled back." } });
  fireEvent.click(screen.getByRole("button", { name: "Resolve" }));
  await screen.findByText("Ended in the last two weeks");
  expect(server.last("POST alerts/i1/resolve")?.body).toEqual({ note: "Rolled back." });
  expect(await screen.findByText(/by ada/)).toBeTruthy();
});

test("an incident is snoozed for as long as one likes, with a note; a refusal is said", async () => {
  const server = new FakeServer()
    .on("GET alerts", () => answer([ALERT]))
    .on("POST alerts/i1/snooze", () => problem(409, "Incident 'i1' has ended."));
  showApp("/alerts");
  fireEvent.click(await screen.findByRole("button", { name: "Snooze…" }));
  fireEvent.change(screen.getByLabelText("For"), { target: { value: "1440" } });
  fireEvent.click(screen.getByRole("button", { name: "Snooze" }));
  expect(await screen.findByText("Incident 'i1' has ended.")).toBeTruthy();
  expect(server.last("POST alerts/i1/snooze")?.body).toEqual({ minutes: 1440, note: "" });
});

test("where no rules are looked at, it says how to set them up", async () => {
  new FakeServer().on("GET alerts", () => answer([], { rules: [], targets: [] }));
  showApp("/alerts");
  expect(await screen.findByText("No alerts are set up")).toBeTruthy();
});
