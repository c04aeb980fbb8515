import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { signedOut } from "../../src/api/http";
import { UnreachableError } from "../../src/lib/errors";
import { type LiveState, openStream, type StreamHandlers } from "../../src/live/stream";
import type { ListSnapshot } from "../../src/api/wire";
import { FakeEventSource, FakeSocket } from "../support/sockets";

let problems: (string | null)[];
let states: LiveState[];
let looks: number;
let look: () => Promise<void>;
let handlers: StreamHandlers<ListSnapshot>;
let close: () => void;
const open = (lastId: number | null = null): void => {
  close = openStream<ListSnapshot>({ path: "/stream", query: {}, lastId }, handlers);
};
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const SNAPSHOT = { type: "snapshot", id: 7, runs: [] };

beforeEach(() => {
  vi.useFakeTimers();
  problems = [];
  states = [];
  looks = 0;
  look = () => Promise.resolve();
  handlers = {
    onMessage: () => undefined,
    onState: (state) => states.push(state),
    onProblem: (problem) => problems.push(problem),
    onLook: () => {
      looks += 1;
      return look();
    },
  };
});
afterEach(() => {
  close();
  signedOut.set(false);
});

test("the server's last word is said, and a fresh snapshot is asked for", async () => {
  open();
  FakeSocket.last.say(SNAPSHOT);
  FakeSocket.last.end(1013, "This client is too slow to keep up.");
  expect(problems.at(-1)).toBe("This client is too slow to keep up.");
  await pass(2000);
  expect(FakeSocket.all).toHaveLength(2);
  expect(new URL(FakeSocket.last.url).searchParams.get("lastEventId")).toBeNull();
  FakeSocket.last.say({ type: "snapshot", id: 9, runs: [] });
  expect(problems.at(-1)).toBeNull();
});

test("a connection that merely ends continues from its last id, unseen", async () => {
  open();
  FakeSocket.last.say(SNAPSHOT);
  FakeSocket.last.end(1001, "The server is going away; connect again.");
  await pass(1000);
  expect(new URL(FakeSocket.last.url).searchParams.get("lastEventId")).toBe("7");
  FakeSocket.last.say({ type: "heartbeat", id: 7 });
  expect(states.filter((state) => state !== "live")).toEqual(["connecting"]);
  expect(looks).toBe(0);
});

test("it is live when the server has spoken, not when the connection stands", async () => {
  open();
  FakeSocket.last.accept();
  await pass(0);
  expect(states).toEqual(["connecting"]);
  FakeSocket.last.say(SNAPSHOT);
  expect(states.at(-1)).toBe("live");
});

test("after two connections without a word it polls, and now and then tries again", async () => {
  open();
  FakeSocket.last.accept();
  await pass(10_500);
  expect(FakeEventSource.all).toHaveLength(1);
  expect(states.at(-1)).toBe("polling");
  FakeEventSource.last.onopen?.();
  await pass(10_500);
  expect(FakeEventSource.last.closed).toBe(true);
  const before = looks;
  await pass(9000);
  expect(looks - before).toBe(3);
  expect(FakeSocket.all).toHaveLength(1);
  await pass(25_000);
  expect(FakeSocket.all).toHaveLength(2);
  FakeSocket.last.say(SNAPSHOT);
  expect(states.at(-1)).toBe("live");
  const after = looks;
  await pass(9000);
  expect(looks).toBe(after);
});

test("one word with the headers and then none is polled, and believed again only when a second word comes by itself", async () => {
  open();
  FakeSocket.last.say(SNAPSHOT);
  expect(states.at(-1)).toBe("live");
  await pass(46_000);
  expect(states.at(-1)).toBe("polling");
  FakeSocket.last.say({ type: "heartbeat", id: 7 });
  await pass(4000);
  expect(states.at(-1)).toBe("polling");
  FakeSocket.last.say({ type: "heartbeat", id: 7 });
  expect(states.at(-1)).toBe("live");
});

test("refused streams over a server that answers are polling, never 'the server does not answer'", async () => {
  open();
  FakeSocket.last.end();
  await pass(1000);
  FakeEventSource.last.onerror?.();
  await pass(30_000);
  expect(states).not.toContain("offline");
  expect(states.at(-1)).toBe("polling");
});

test("a server that is gone is offline, and a stream is opened as soon as it is back", async () => {
  open();
  FakeSocket.last.say(SNAPSHOT);
  look = () => Promise.reject(new UnreachableError("No answer."));
  FakeSocket.last.end();
  await pass(1000);
  FakeSocket.last.end();
  await pass(1000);
  FakeEventSource.last.onerror?.();
  await pass(5000);
  expect(states.at(-1)).toBe("offline");
  const sockets = FakeSocket.all.length;
  look = () => Promise.resolve();
  await pass(20_000);
  expect(FakeSocket.all).toHaveLength(sockets + 1);
});

test("silence ends a connection that was live", async () => {
  open();
  FakeSocket.last.say(SNAPSHOT);
  const first = FakeSocket.last;
  await pass(46_000);
  expect(first.closed).toBe(true);
  expect(FakeSocket.all).toHaveLength(2);
});

test("a viewer who is no longer admitted is signed out", () => {
  open();
  FakeSocket.last.say(SNAPSHOT);
  FakeSocket.last.end(1008, "Your sign-in has ended or changed. Sign in again.");
  expect(signedOut.get()).toBe(true);
});

test("server-sent events say the same last words", () => {
  vi.stubGlobal("WebSocket", undefined);
  open(4);
  expect(new URL(FakeEventSource.last.url).searchParams.get("lastEventId")).toBe("4");
  FakeEventSource.last.say("dropped", { reason: "Too slow.", code: 1013 });
  expect(problems.at(-1)).toBe("Too slow.");
  FakeEventSource.last.say("dropped", { reason: "Signed out.", code: 1008 });
  expect(signedOut.get()).toBe(true);
});
