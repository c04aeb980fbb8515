import { beforeEach, expect, test, vi } from "vitest";
import { openStream, type StreamHandlers } from "../../src/live/stream";
import type { ListSnapshot } from "../../src/api/wire";
import { FakeSocket } from "../support/sockets";

let said: (string | null)[];
let handlers: StreamHandlers<ListSnapshot>;
beforeEach(() => {
  vi.useFakeTimers();
  said = [];
  handlers = {
    onMessage: () => undefined,
    onState: () => undefined,
    onProblem: (problem) => said.push(problem),
    onPoll: () => undefined,
  };
});

test("the server's last word is said, and a fresh snapshot is asked for", async () => {
  const close = openStream<ListSnapshot>("stream", () => ({}), handlers);
  FakeSocket.last.accept();
  FakeSocket.last.say({ type: "snapshot", id: 7, runs: [] });
  FakeSocket.last.end(1013, "This client is too slow to keep up.");
  expect(said.at(-1)).toBe("This client is too slow to keep up.");
  await vi.advanceTimersByTimeAsync(2000);
  expect(FakeSocket.all).toHaveLength(2);
  expect(new URL(FakeSocket.last.url).searchParams.get("lastEventId")).toBeNull();
  FakeSocket.last.accept();
  FakeSocket.last.say({ type: "snapshot", id: 9, runs: [] });
  expect(said.at(-1)).toBeNull();
  close();
});

test("a connection that merely breaks goes on from its last id", async () => {
  const close = openStream<ListSnapshot>("stream", () => ({}), handlers);
  FakeSocket.last.accept();
  FakeSocket.last.say({ type: "snapshot", id: 7, runs: [] });
  FakeSocket.last.end();
  await vi.advanceTimersByTimeAsync(2000);
  expect(new URL(FakeSocket.last.url).searchParams.get("lastEventId")).toBe("7");
  close();
});
