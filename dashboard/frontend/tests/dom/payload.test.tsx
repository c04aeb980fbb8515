import { fireEvent, render, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import type { Json } from "../../src/api/wire";
import { JsonView } from "../../src/ui/JsonView";

const show = (value: Json) => render(<JsonView value={value} label="Output" />);
const LARGE = { orders: Array.from({ length: 10 }, (_, n) => ({ sku: `A-${n}`, note: "x" })) };

test("a conversation reads as one, and as data on demand", () => {
  show({ messages: [{ role: "user", content: "# Hi\n\n- one\n- two" }] });
  expect(screen.getByText("user")).toBeTruthy();
  expect([...document.querySelectorAll("li")].map((item) => item.textContent)).toContain("one");
  fireEvent.click(screen.getByText("as data"));
  expect(screen.getByText("{ role, content }")).toBeTruthy();
});

test("a text keeps its line breaks, and markup in it stays text", () => {
  show({ note: "one\ntwo <img src=x onerror=alert(1)>" });
  expect(document.querySelector("pre")?.textContent).toBe("one\ntwo <img src=x onerror=alert(1)>");
  expect(document.querySelector("img")).toBeNull();
});

test("an array is a table under its dtype and shape", () => {
  show({ weights: { $array: { dtype: "float64", shape: [2, 2], first: [0.5, 1, 2, 3] } } });
  expect(screen.getByText("float64 2 × 2")).toBeTruthy();
  expect([...document.querySelectorAll("td")].map((cell) => cell.textContent)).toEqual(["0.5", "1", "2", "3"]);
});

test("a picture is drawn from its bytes", () => {
  show({ photo: { $bytes: btoa(`\x89PNG\r\n\x1a\n${"x".repeat(40)}`), $length: 48 } });
  expect(document.querySelector("img")?.getAttribute("src")).toMatch(/^data:image\/png;base64,/);
});

test("what is sought is open and marked, and its path can be copied", () => {
  show(LARGE);
  fireEvent.change(screen.getByLabelText("Find in Output"), { target: { value: "A-9" } });
  expect(screen.getByText("1 found")).toBeTruthy();
  expect(document.querySelector("[data-hit]")?.textContent).toContain("A-9");
  expect(screen.getByLabelText("Copy the path $.orders[9].sku")).toBeTruthy();
});

test("raw is the JSON itself", () => {
  show(LARGE);
  fireEvent.click(screen.getByText("raw"));
  expect(JSON.parse(document.querySelector("pre")?.textContent ?? "")).toEqual(LARGE);
});
