import { fireEvent, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { showApp } from "../support/app";
import { detail, step } from "../support/rows";
import { FakeServer, problem } from "../support/server";

const markdown = (): Response => new Response("# order failed\n", { headers: { "Content-Type": "text/markdown" } });

afterEach(() => void vi.unstubAllGlobals());

async function press(label: string): Promise<void> {
  showApp("/runs/r1");
  fireEvent.click(await screen.findByRole("button", { name: "More actions" }));
  fireEvent.click(await screen.findByRole("menuitem", { name: label }));
}

function served(): FakeServer {
  return new FakeServer().on("GET runs/r1", detail({ id: "r1", status: "failed" }, [step(1)]));
}

test("a report is copied as the server wrote it", async () => {
  const written: string[] = [];
  vi.stubGlobal(
    "navigator",
    Object.create(navigator, { clipboard: { value: { writeText: (text: string) => void written.push(text) } } }),
  );
  const server = served().on("GET runs/r1/report", markdown);
  await press("Copy report");
  expect(await screen.findByText("Copied the report as Markdown.")).toBeTruthy();
  expect(written).toEqual(["# order failed\n"]);
  expect(server.asked.filter(({ path }) => path === "runs/r1/report").length).toBe(1);
});

test("where a browser lets nobody copy, there is a link to it", async () => {
  served().on("GET runs/r1/test", markdown);
  await press("Copy as a test");
  const link = await screen.findByRole("link", { name: "Open it" });
  expect(link.getAttribute("href")).toContain("/api/runs/r1/test");
});

test("a refusal is said, and nothing is copied", async () => {
  served().on("GET runs/r1/report", () => problem(404, "There is no run 'r1' in this store."));
  await press("Copy report");
  await waitFor(() => expect(screen.getByText("There is no run 'r1' in this store.")).toBeTruthy());
});
