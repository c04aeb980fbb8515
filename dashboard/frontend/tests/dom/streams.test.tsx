import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { lastPart } from "../../src/pages/run/StreamsTab";
import { showApp } from "../support/app";
import { detail } from "../support/rows";
import { FakeServer, json } from "../support/server";
import { FakeSocket } from "../support/sockets";

const value = (offset: number) => ({ offset, closes: false, value: `token ${String(offset)}` });

test("a stream grows in sight while its run writes, and says when it was closed", async () => {
  let values = [value(0), value(1)];
  let closed = false;
  new FakeServer()
    .on("GET runs/r1", detail({ id: "r1", status: "running" }, []))
    .on("GET runs/r1/streams", () => json([{ key: "tokens", count: values.length, closed }]))
    .on("GET runs/r1/streams/tokens", () => json(closed ? [...values, { offset: 9, closes: true }] : values));
  showApp("/runs/r1?view=streams");
  const card = await screen.findByRole("region", { name: "Stream tokens" });
  expect(await within(card).findByText(/token 1/)).toBeTruthy();
  expect(card.textContent).toContain("2 values · open");
  values = [...values, value(2)];
  closed = true;
  const stream = FakeSocket.all.findLast((socket) => socket.url.includes("/runs/r1/stream"));
  stream?.say({ type: "step.completed", id: 7, runId: "r1", seq: 4, name: "DBOS.writeStream" });
  expect(await within(card).findByText(/token 2/)).toBeTruthy();
  expect(card.textContent).toContain("3 values · closed");
});

test("of a long stream the newest values are read, a whole part at a time", () => {
  expect([0, 99, 199].map(lastPart)).toEqual([-1, -1, -1]);
  expect([200, 299, 1500].map(lastPart)).toEqual([99, 99, 1399]);
});
