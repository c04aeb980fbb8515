import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { config, parseConfig } from "../../src/config";
import { Share, type Topic } from "../../src/live/share";
import type { AnySnapshot, Message } from "../../src/live/stream";
import { FakeServer } from "../support/server";
import { FakeSocket } from "../support/sockets";
import { FakeChannel, FakeLocks } from "../support/tabs";

const LIST: Topic = { path: "/stream", name: "", query: {} };
const RUN: Topic = { path: "/runs/a/stream", name: "", query: {} };

/** One tab that follows a topic. */
class Tab {
  readonly share = new Share("/api");
  readonly ids: number[] = [];
  looks = 0;

  follow(topic: Topic = LIST): () => void {
    return this.share.follow<AnySnapshot>(topic, {
      onMessage: (message: Message<AnySnapshot>) => void this.ids.push(message.id),
      onLook: () => {
        this.looks += 1;
        return Promise.resolve();
      },
    });
  }
}

let locks: FakeLocks;
let tabs: Tab[];
const tab = (): Tab => {
  tabs.push(new Tab());
  return tabs.at(-1) as Tab;
};
const open = (): FakeSocket[] => FakeSocket.all.filter((socket) => !socket.closed);
const pass = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
let visibility: DocumentVisibilityState = "visible";
const turn = (state: DocumentVisibilityState): void => {
  visibility = state;
  document.dispatchEvent(new Event("visibilitychange"));
};

beforeEach(() => {
  vi.useFakeTimers();
  new FakeServer();
  locks = new FakeLocks();
  tabs = [];
  visibility = "visible";
  vi.stubGlobal("BroadcastChannel", FakeChannel);
  Object.defineProperty(navigator, "locks", { configurable: true, value: locks });
  vi.spyOn(document, "visibilityState", "get").mockImplementation(() => visibility);
});
afterEach(() => {
  for (const { share } of tabs) share.end();
  Reflect.deleteProperty(navigator, "locks");
  config.streams = true;
  vi.restoreAllMocks();
});

test("tabs that watch the same have one stream, and all hear it", async () => {
  const [first, second] = [tab(), tab()];
  first.follow();
  second.follow();
  await pass();
  expect(open()).toHaveLength(1);
  FakeSocket.last.say({ type: "snapshot", id: 1 });
  FakeSocket.last.say({ type: "changed", id: 2, runId: "a" });
  expect([first.ids, second.ids]).toEqual([
    [1, 2],
    [1, 2],
  ]);
});

test("a tab that comes later reads what was said before it came", async () => {
  const [first, second] = [tab(), tab()];
  first.follow();
  await pass();
  FakeSocket.last.say({ type: "snapshot", id: 1 });
  second.follow();
  await pass();
  expect(second.looks).toBe(1);
  FakeSocket.last.say({ type: "changed", id: 2, runId: "a" });
  expect(second.ids).toEqual([2]);
});

test("a stream that nobody watches any more is closed, and each topic has its own", async () => {
  const [first, second] = [tab(), tab()];
  first.follow();
  const unfollow = second.follow(RUN);
  await pass();
  expect(open().map(({ url }) => new URL(url).pathname.replace(/^.*api/, ""))).toEqual(["/stream", "/runs/a/stream"]);
  unfollow();
  await pass();
  expect(open()).toHaveLength(1);
});

test("a leader that goes from page to page leads on for the others", async () => {
  const [first, second] = [tab(), tab()];
  const unfollow = first.follow(RUN);
  second.follow(LIST);
  await pass();
  unfollow();
  await pass();
  expect(open().map(({ url }) => new URL(url).pathname.endsWith("/api/stream"))).toEqual([true]);
});

test("when the leader's tab closes another continues from the last message, without a gap", async () => {
  const [first, second] = [tab(), tab()];
  first.follow();
  second.follow();
  await pass();
  FakeSocket.last.say({ type: "snapshot", id: 41 });
  first.share.end();
  await pass();
  expect(open()).toHaveLength(1);
  expect(new URL(FakeSocket.last.url).searchParams.get("lastEventId")).toBe("41");
  FakeSocket.last.say({ type: "changed", id: 42, runId: "a" });
  expect(second.ids).toEqual([41, 42]);
  expect(second.looks).toBe(0);
});

test("hidden tabs let go, and go on from their last message when they are seen again", async () => {
  const only = tab();
  only.follow();
  await pass();
  FakeSocket.last.say({ type: "snapshot", id: 5 });
  turn("hidden");
  await pass(6000);
  expect(open()).toHaveLength(0);
  expect(locks.names().filter((name) => !name.includes(":tab:"))).toEqual([]);
  turn("visible");
  await pass();
  expect(new URL(FakeSocket.last.url).searchParams.get("lastEventId")).toBe("5");
});

test("a leader that does not answer is replaced", async () => {
  void locks.request("durable-live:/api", () => new Promise(() => undefined)).catch(() => undefined); // a tab that hangs
  const only = tab();
  only.follow();
  await pass(3000);
  expect(open()).toHaveLength(0);
  await pass(2000);
  expect(open()).toHaveLength(1);
});

test("more topics than streams are looked at by plain requests", async () => {
  for (let n = 0; n < 6; n += 1) tab().follow({ ...RUN, name: `${n}` });
  await pass();
  expect(open()).toHaveLength(4);
  await pass(3000);
  expect(tabs.map(({ looks }) => looks > 0)).toEqual([false, false, false, false, true, true]);
});

test("where the server carries no streams none is tried: the page looks by plain requests", async () => {
  expect(parseConfig('{"capabilities":["runs","stream"]}').streams).toBe(true);
  expect(parseConfig("{}").streams).toBe(true);
  config.streams = parseConfig('{"capabilities":["runs"]}').streams;
  const only = tab();
  only.follow();
  await pass(10_000);
  expect(FakeSocket.all).toEqual([]);
  expect(only.looks).toBeGreaterThan(1);
});

test("a tab that died without a word is forgotten", async () => {
  const [first, second] = [tab(), tab()];
  first.follow(LIST);
  second.follow(RUN);
  await pass();
  expect(open()).toHaveLength(2);
  locks.free(
    locks
      .names()
      .filter((name) => name.includes(":tab:"))
      .at(-1) ?? "",
  );
  await pass();
  expect(open()).toHaveLength(1);
});
