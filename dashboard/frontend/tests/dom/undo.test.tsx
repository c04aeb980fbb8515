import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { showApp } from "../support/app";
import { row } from "../support/rows";
import { FakeServer } from "../support/server";

test("a run whose undo is stuck is not called undone", async () => {
  new FakeServer().on("GET runs", [
    row(2, { status: "cancelled", undoId: "undo:r2", undoStuck: true }),
    row(1, { status: "cancelled", undoId: "undo:r1" }),
  ]);
  showApp("/");
  expect(await screen.findByText("undo stuck")).toBeTruthy();
  expect(screen.getAllByText("undone").length).toBe(1);
});
