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

test("runs that were ticked are those that are acted on, whatever they become meanwhile", async () => {
  server
    .on("POST runs/r3/retry", problem(409, "Refused on purpose."))
    .on("POST runs/r2/retry", {})
    .on("POST runs/r1/retry", {});
  server.on("POST runs/r3/retry", () => problem(409, "Refused on purpose."));
  showApp("/?status=failed");
  for (const box of await screen.findAllByRole("checkbox")) fireEvent.click(box);
  fireEvent.click(screen.getByRole("button", { name: "Retry 3" }));
  const dialog = screen.getByRole("dialog", { name: "Retry 3 runs?" });
  left = 0;
  fireEvent.click(within(dialog).getByRole("button", { name: "Retry" }));
  expect(await within(dialog).findByText("1 refused")).toBeTruthy();
  await screen.findByText("No run matches this filter");
  expect(screen.getByRole("dialog", { name: "Retry 3 runs?" }).textContent).not.toContain("left out");
  expect(within(dialog).getByRole("progressbar").getAttribute("max")).toBe("3");
});

test("ticks belong to the filter they were made under", async () => {
  showApp("/?status=failed");
  for (const box of await screen.findAllByRole("checkbox")) fireEvent.click(box);
  expect(screen.getByText("3 selected")).toBeTruthy();
  fireEvent.click(screen.getByRole("button", { name: "All" }));
  await waitFor(() => expect(screen.queryByText("3 selected")).toBeNull());
});
