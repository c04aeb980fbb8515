import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DEFAULT_LAYOUT, layout } from "../../src/pages/runs/columns";
import { zone } from "../../src/lib/zone";
import { WIDE } from "../../src/ui/media";
import { showApp } from "../support/app";
import { facet, row } from "../support/rows";
import { FakeServer, json, problem } from "../support/server";

const view = (id: string, name: string, filter: object, isDefault = false): object => ({
  id,
  name,
  filter,
  isDefault,
  actor: "ada",
  at: "2026-01-01T00:00:00.000Z",
});

let server: FakeServer;
beforeEach(() => {
  layout.set(DEFAULT_LAYOUT);
  zone.set("local");
  server = new FakeServer()
    .on("GET runs", [row(1, { status: "failed", workflowVersion: "v7", searchAttributes: { customer: "4711" } })])
    .on("GET runs/facets", [facet("failed", 1)])
    .on("GET views", [view("a", "late ones", { status: ["failed"], since: "24h" }), view("b", "all", {})]);
});

afterEach(() => {
  vi.restoreAllMocks();
  layout.set(DEFAULT_LAYOUT);
  zone.set("local");
});

test("a view is shown from its menu, and the address is the truth", async () => {
  showApp("/?queue=mail");
  fireEvent.click(await screen.findByRole("button", { name: "Views" }));
  fireEvent.click(await screen.findByRole("button", { name: /late ones.*failed · since 24h/ }));
  await waitFor(() => expect(window.location.search).toBe("?status=failed&since=24h"));
  await screen.findByRole("button", { name: "late ones" });
});

test("a filter is saved under a name with its moving window, and a refusal is said where it was typed", async () => {
  let answer = problem(409, "There is a view 'x' already.");
  server.on("POST views", () => answer);
  showApp("/?status=failed&since=1h&attr=amount:gte:5");
  fireEvent.click(await screen.findByRole("button", { name: "Views" }));
  fireEvent.change(await screen.findByRole("textbox", { name: "Name of the view" }), { target: { value: " x " } });
  fireEvent.click(screen.getByRole("button", { name: "Save view" }));
  await screen.findByText("There is a view 'x' already.");
  answer = json(view("c", "x", { status: ["failed"] }), { status: 201 });
  fireEvent.click(screen.getByRole("button", { name: "Save view" }));
  await screen.findByText("Saved as x, for everybody.");
  expect(server.last("POST views")?.body).toEqual({
    name: "x",
    filter: { status: ["failed"], since: "1h", attr: ["amount:gte:5"] },
  });
});

test("a view is renamed, made the default and deleted in its menu", async () => {
  server
    .on("POST views/a", (asked) => json({ ...view("a", "late ones", {}), ...(asked.body as object) }))
    .on("POST views/a/delete", view("a", "old ones", {}));
  showApp("/?queue=mail");
  fireEvent.click(await screen.findByRole("button", { name: "Views" }));
  fireEvent.click(await screen.findByRole("button", { name: "Begin with late ones" }));
  await screen.findByText("The list begins with late ones.");
  expect(server.last("POST views/a")?.body).toEqual({ isDefault: true });
  fireEvent.click(screen.getByRole("button", { name: "Rename late ones" }));
  fireEvent.change(screen.getByRole("textbox", { name: "New name of late ones" }), { target: { value: "old ones" } });
  fireEvent.click(screen.getByRole("button", { name: "Rename" }));
  await screen.findByText("Renamed to old ones.");
  expect(server.last("POST views/a")?.body).toEqual({ name: "old ones" });
  fireEvent.click(await screen.findByRole("button", { name: "Delete late ones" }));
  await waitFor(() => expect(server.count("POST views/a/delete")).toBe(1));
});

test("columns are chosen and put in order, attributes among them, and rows stand closer", async () => {
  vi.spyOn(window, "matchMedia").mockImplementation(
    (media) =>
      ({
        matches: media === WIDE,
        media,
        addEventListener: () => undefined,
        removeEventListener: () => undefined,
      }) as unknown as MediaQueryList,
  );
  showApp("/");
  fireEvent.click(await screen.findByRole("button", { name: /Display/ }));
  const menu = await screen.findByRole("dialog", { name: "Display" });
  fireEvent.click(within(menu).getByRole("checkbox", { name: "Version" }));
  fireEvent.click(within(menu).getByRole("checkbox", { name: "Queue" }));
  fireEvent.change(within(menu).getByRole("combobox", { name: /Attribute/ }), { target: { value: "customer" } });
  fireEvent.click(within(menu).getByRole("button", { name: "Add column" }));
  fireEvent.click(within(menu).getByRole("button", { name: "customer: earlier" }));
  fireEvent.click(within(menu).getByRole("button", { name: "Compact" }));
  const cells = within(screen.getByRole("row")).getAllByRole("gridcell");
  expect(cells.slice(-2).map((cell) => cell.textContent)).toEqual(["4711", "v7"]);
  expect(layout.get()).toEqual({
    columns: ["status", "note", "strip", "duration", "created", "attr:customer", "version"],
    density: "compact",
  });
  expect(localStorage.getItem("durable.runs")).toContain("attr:customer");
});

test("times are shown in UTC where the reader wants them so, and the page says so", async () => {
  showApp("/?since=2026-03-04T23:30:00Z&until=2026-03-05T00:30:00Z");
  fireEvent.click(await screen.findByRole("button", { name: /Display/ }));
  fireEvent.click(screen.getByRole("button", { name: "UTC" }));
  expect(screen.getByText("Times are in UTC. Kept in this browser.")).toBeTruthy();
  expect(screen.getByRole("button", { name: /23:30:00/ }).textContent).toMatch(/00:30:00/);
  fireEvent.click(screen.getByRole("button", { name: /23:30:00/ }));
  expect(screen.getByLabelText<HTMLInputElement>("From").value).toMatch(/^2026-03-04T23:30/);
});
