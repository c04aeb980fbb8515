import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
import { showApp } from "../support/app";
import { facet, row } from "../support/rows";
import { FakeServer, json, problem } from "../support/server";
import { FakeSocket } from "../support/sockets";

let server: FakeServer;
let left: number;
beforeEach(() => {
  left = 3;
  server = new FakeServer()
    .on("GET runs", () => json([3, 2, 1].slice(0, left).map((n) => row(n, { status: "failed" }))))
    .on("GET runs/facets", () => json(left > 0 ? [facet("failed", left)] : []))
    .on("POST bulk/retry", (asked) => {
      if (asked.query.get("dryRun") === "true")
        return json({ matched: 3, byStatus: { failed: 3 }, sample: [], boundMs: 9 });
      left = 0;
      return json({
        matched: 3,
        applied: 2,
        results: [
          { runId: "r1", outcome: "applied", detail: "" },
          { runId: "r2", outcome: "applied", detail: "" },
          { runId: "r3", outcome: "refused", detail: "It is already running." },
        ],
      });
    });
});

test("the outcome of a bulk stays when it leaves no run in the filter", async () => {
  showApp("/?status=failed");
  fireEvent.click(await screen.findByRole("button", { name: "Retry all…" }));
  const dialog = await screen.findByRole("dialog");
  fireEvent.click(await within(dialog).findByRole("button", { name: "Retry 3 runs" }));
  await screen.findByText("No run matches this filter");
  await waitFor(() => expect(screen.queryByRole("toolbar")).toBeNull());
  const outcome = screen.getByRole("dialog", { name: "2 of 3 retried" });
  expect(outcome.textContent).toContain("It is already running.");
});

test("a preview stays under the pointer when the last run of the filter ends meanwhile", async () => {
  showApp("/?status=failed");
  fireEvent.click(await screen.findByRole("button", { name: "Retry all…" }));
  await screen.findByRole("button", { name: "Retry 3 runs" });
  left = 0;
  FakeSocket.last.accept();
  FakeSocket.last.say({ type: "snapshot", id: 1, runs: [] });
  await waitFor(() => expect(screen.queryByRole("toolbar")).toBeNull());
  expect(screen.getByRole("button", { name: "Retry 3 runs" })).toBeTruthy();
});

test("ticked runs are one bulk action, whatever they become meanwhile, and the ticks are gone when it is applied", async () => {
  showApp("/?status=failed");
  for (const box of await screen.findAllByRole("checkbox")) fireEvent.click(box);
  fireEvent.click(screen.getByRole("button", { name: "Retry 3…" }));
  const dialog = await screen.findByRole("dialog", { name: "Retry 3 ticked runs?" });
  await within(dialog).findByRole("button", { name: "Retry 3 runs" });
  expect(server.last("POST bulk/retry")?.body).toEqual({ ids: ["r3", "r2", "r1"] });
  left = 0;
  fireEvent.click(within(dialog).getByRole("button", { name: "Retry 3 runs" }));
  await screen.findByRole("dialog", { name: "2 of 3 retried" });
  expect(server.last("POST bulk/retry")?.body).toEqual({ boundMs: 9, ids: ["r3", "r2", "r1"] });
  expect([...(server.last("POST bulk/retry")?.query.keys() ?? [])]).toEqual(["all"]);
  await screen.findByText("No run matches this filter");
  expect(screen.queryByText("3 selected")).toBeNull();
});

test("bulk actions are listed, each with its runs in words and a way to what became of them", async () => {
  const view = (n: number, more: object) => ({
    bulkId: `bulk:${n}`,
    action: "retry",
    actor: "ada",
    matched: n,
    ...more,
  });
  server.on("GET bulk", [
    view(3, { params: { ids: 3 }, filter: {} }),
    view(103, { params: { canary: true }, filter: { status: ["failed"], attr: ["amount:gte:100"] } }),
    view(9, { params: {}, filter: {} }),
  ]);
  showApp("/bulk");
  const link = await screen.findByRole("link", { name: "Retry of 103 runs" });
  expect(link.getAttribute("href")).toBe("/bulk/bulk%3A103");
  expect(screen.getByText("failed · amount ≥ 100, a part first")).toBeTruthy();
  expect(screen.getByText("ticked ones")).toBeTruthy();
  expect(screen.getByText("every run")).toBeTruthy();
});

test("ticks belong to the filter they were made under", async () => {
  showApp("/?status=failed");
  for (const box of await screen.findAllByRole("checkbox")) fireEvent.click(box);
  expect(screen.getByText("3 selected")).toBeTruthy();
  fireEvent.click(screen.getByRole("button", { name: "All" }));
  await waitFor(() => expect(screen.queryByText("3 selected")).toBeNull());
});

const GROUPS = [
  { fingerprint: "f1", type: "shop.GatewayTimeout", step: "charge", template: "timeout after # s", count: 2 },
  { count: 1 },
];

test("a preview by error takes only what stays ticked, and says how many that are", async () => {
  server.on("POST bulk/retry", (asked) =>
    asked.query.get("dryRun") === "true"
      ? json({ matched: 3, byStatus: { failed: 3 }, groups: GROUPS, sample: [], boundMs: 9 })
      : json({ matched: 2, applied: 0, bulkId: "bulk:b" }, { status: 202 }),
  );
  server.on("GET bulk/bulk%3Ab", { bulkId: "bulk:b", status: "running", done: 0, applied: 0, refused: 0, results: [] });
  showApp("/?status=failed");
  fireEvent.click(await screen.findByRole("button", { name: "Retry all…" }));
  const dialog = await screen.findByRole("dialog");
  await within(dialog).findByRole("button", { name: "Retry 3 runs" });
  fireEvent.click(within(dialog).getByRole("checkbox", { name: /No error that is known/ }));
  fireEvent.click(within(dialog).getByRole("checkbox", { name: /Try a part first/ }));
  fireEvent.click(within(dialog).getByRole("button", { name: "Retry 2 runs" }));
  const link = await screen.findByRole("link", { name: "What became of them" });
  expect(link.getAttribute("href")).toBe("/bulk/bulk%3Ab");
  expect(server.last("POST bulk/retry")?.body).toEqual({ boundMs: 9, errors: ["f1"] });
  expect(server.last("POST bulk/retry")?.query.get("canary")).toBe("true");
});

const BULK = {
  bulkId: "bulk:b",
  action: "retry",
  actor: "ada",
  status: "completed",
  matched: 103,
  skipped: 4,
  done: 6,
  applied: 5,
  refused: 1,
  stopped: "Run r1 failed again with the same error. The others were left as they are.",
  stages: [
    { runs: 2, state: "good" },
    { runs: 4, state: "stopped" },
    { runs: 97, state: "waiting" },
  ],
  params: { canary: true },
  filter: { status: ["failed"], queue: "mail" },
  now: { succeeded: 3, sameError: 1, newError: 1, cancelled: 0, open: 0, exact: true },
  results: [{ runId: "r9", outcome: "changed", detail: "The run is completed now; it was left alone." }],
};

test("a bulk action's page says what became of its runs, and each count leads to them", async () => {
  server.on("GET bulk/bulk%3Ab", BULK);
  showApp("/bulk/bulk%3Ab");
  await screen.findByRole("heading", { name: "Retry of 103 runs" });
  expect(screen.getByText("Stopped before the last run")).toBeTruthy();
  const good = screen.getByRole("link", { name: /3\s*Succeeded/ });
  expect(good.getAttribute("href")).toBe("/?bulk=bulk%3Ab&bulkPart=succeeded");
  expect(screen.getByRole("link", { name: /1\s*Failed again, same error/ }).getAttribute("href")).toContain(
    "same_error",
  );
  expect(screen.getByRole("link", { name: "Its filter, as it matches now" }).getAttribute("href")).toBe(
    "/?status=failed&queue=mail",
  );
  expect(screen.getByText("The run is completed now; it was left alone.")).toBeTruthy();
  fireEvent.click(good);
  expect(await screen.findByText("succeeded since")).toBeTruthy();
  expect(server.last("GET runs")?.query.get("bulkPart")).toBe("succeeded");
});

test("a bulk action that is not there is said so", async () => {
  server.on("GET bulk/none", () => problem(404, "There is no bulk action 'none'."));
  showApp("/bulk/none");
  expect(await screen.findByText("There is no bulk action 'none'.")).toBeTruthy();
});
