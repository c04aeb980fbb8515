import { fireEvent, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { Boundary } from "../../src/shell/Boundary";
import { show, showApp } from "../support/app";
import { detail, row, step } from "../support/rows";
import { FakeServer } from "../support/server";

afterEach(() => vi.restoreAllMocks());

test("an action is sent at once or fails at once, whatever the browser thinks of the network", async () => {
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
  window.dispatchEvent(new Event("offline"));
  const server = new FakeServer()
    .on("GET runs/r1", detail({ id: "r1", status: "failed" }, [step(1, { status: "failed" })]))
    .on("GET runs/r1/graph", { nodes: [], edges: [], width: 0, height: 0 })
    .on("POST runs/r1/retry", {});
  showApp("/runs/r1");
  fireEvent.click(await screen.findByRole("button", { name: "Retry" }));
  fireEvent.click(screen.getAllByRole("button", { name: "Retry" }).at(-1) as HTMLElement);
  await waitFor(() => expect(server.count("POST runs/r1/retry")).toBe(1));
  vi.restoreAllMocks();
  window.dispatchEvent(new Event("online"));
});

test.each([{ status: "degraded" }, { status: "degraded", problems: "many" }, {}, [], "ok", null])(
  "whatever the health route answers (%j), the page stays",
  async (answer) => {
    new FakeServer()
      .on("GET runs", [row(1)])
      .on(
        "GET health",
        () => new Response(JSON.stringify(answer), { headers: { "Content-Type": "application/json" } }),
      );
    showApp("/");
    expect(await screen.findByRole("link", { name: "order" })).toBeTruthy();
    expect(screen.getByRole("navigation", { name: "Pages" })).toBeTruthy();
  },
);

test("a part that breaks says so and can be tried again", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  let broken = true;
  const Part = (): string => {
    if (broken) throw new Error("It cannot be drawn.");
    return "drawn";
  };
  show(
    <Boundary what="The part">
      <Part />
    </Boundary>,
  );
  expect(screen.getByRole("alert").textContent).toContain("It cannot be drawn.");
  broken = false;
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText("drawn")).toBeTruthy();
});
