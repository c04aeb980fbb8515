/** The live connection: websocket, else Server-Sent Events, else polling; reconnects with the last id it saw. */
import { apiUrl, type Query } from "../api/http";
import type { Changed, Heartbeat, LifecycleEvent } from "../api/wire";

/** "closed": the view at hand has no stream. */
export type LiveState = "closed" | "connecting" | "live" | "polling" | "offline";

/** What changed: a lifecycle event, or a row that changed in a way that no event names. */
export type Change = LifecycleEvent | Changed;
export type Message<S> = S | Change;

export interface StreamHandlers<S> {
  onMessage: (message: Message<S>) => void;
  onState: (state: LiveState) => void;
  /** The server lives but cannot read its store, say; null when all is well again. */
  onProblem: (problem: string | null) => void;
  /** Called instead of messages while neither websocket nor SSE works. */
  onPoll: () => void;
}

const POLL_MS = 3000;
/** A server that says nothing for this long is gone, whatever TCP believes. Heartbeats come every 15 s. */
const SILENCE_MS = 45_000;
const MAX_BACKOFF_MS = 15_000;
/** The websocket close code with which the server drops a viewer. */
const TRY_AGAIN_LATER = 1013;

/** The reason in an SSE message "dropped". */
function reasonIn(text: unknown): string {
  try {
    const body = JSON.parse(String(text)) as unknown;
    return typeof body === "object" && body !== null && "reason" in body && typeof body.reason === "string"
      ? body.reason
      : "";
  } catch {
    return "";
  }
}

/** Open a stream; call the result to close it. */
export function openStream<S extends { type: "snapshot"; id: number }>(
  path: string,
  params: () => Query,
  handlers: StreamHandlers<S>,
): () => void {
  let closed = false;
  let socket: WebSocket | null = null;
  let source: EventSource | null = null;
  let lastId: number | null = null;
  let failures = 0;
  let socketWorked = false;
  let timer: number | undefined;
  let watchdog: number | undefined;

  const address = (): URL => {
    const resume = lastId === null ? {} : { lastEventId: lastId };
    return new URL(apiUrl(path, {}, { ...params(), ...resume }), window.location.href);
  };

  const release = (): void => {
    window.clearTimeout(timer);
    window.clearTimeout(watchdog);
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
      socket = null;
    }
    source?.close();
    source = null;
  };

  const heard = (): void => {
    window.clearTimeout(watchdog);
    watchdog = window.setTimeout(retry, SILENCE_MS);
  };

  const receive = (text: unknown): void => {
    if (typeof text !== "string") return;
    let message: Message<S> | Heartbeat;
    try {
      message = JSON.parse(text) as Message<S> | Heartbeat;
    } catch {
      return;
    }
    heard();
    failures = 0;
    handlers.onProblem(null);
    if (typeof message.id === "number") lastId = message.id;
    if (message.type === "heartbeat") handlers.onProblem(("problem" in message ? message.problem : undefined) ?? null);
    else handlers.onMessage(message);
  };

  function retry(): void {
    release();
    if (closed) return;
    failures += 1;
    if (failures >= 2 || !navigator.onLine) handlers.onState("offline");
    else handlers.onState("connecting");
    const wait = Math.min(MAX_BACKOFF_MS, 400 * 2 ** Math.min(failures, 6)) * (0.75 + Math.random() / 2);
    timer = window.setTimeout(failures > 2 && !socketWorked ? connectSse : connectSocket, wait);
  }

  /** The server let go of this viewer and said why: it wants a fresh snapshot, not what followed. */
  function dropped(reason: string): void {
    lastId = null;
    handlers.onProblem(reason || null);
    retry();
  }

  function connectSocket(): void {
    release();
    if (closed) return;
    const url = address();
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    try {
      socket = new WebSocket(url);
    } catch {
      connectSse();
      return;
    }
    heard();
    socket.onopen = () => {
      socketWorked = true;
      failures = 0;
      handlers.onState("live");
    };
    socket.onmessage = (event: MessageEvent<unknown>) => receive(event.data);
    socket.onclose = (event: CloseEvent) => {
      if (event.code === TRY_AGAIN_LATER) dropped(event.reason);
      else retry();
    };
  }

  function connectSse(): void {
    release();
    if (closed) return;
    source = new EventSource(address());
    source.onopen = () => handlers.onState("live");
    const listener = (event: MessageEvent<unknown>): void => receive(event.data);
    source.onmessage = listener;
    source.addEventListener("snapshot", listener);
    source.addEventListener("heartbeat", listener);
    source.addEventListener("changed", listener);
    source.addEventListener("dropped", (event: MessageEvent<unknown>) => dropped(reasonIn(event.data)));
    source.onerror = poll;
  }

  /** Neither works here (a proxy, say): look every few seconds, and try the socket again now and then. */
  function poll(): void {
    release();
    if (closed) return;
    handlers.onState(navigator.onLine ? "polling" : "offline");
    handlers.onPoll();
    failures += 1;
    timer = window.setTimeout(failures % 5 === 0 ? connectSocket : poll, POLL_MS);
  }

  const wake = (): void => {
    if (document.visibilityState === "visible" && !socket && !source) {
      failures = 0;
      connectSocket();
    }
  };
  window.addEventListener("online", wake);
  document.addEventListener("visibilitychange", wake);
  handlers.onState("connecting");
  connectSocket();

  return () => {
    closed = true;
    handlers.onState("closed");
    handlers.onProblem(null);
    window.removeEventListener("online", wake);
    document.removeEventListener("visibilitychange", wake);
    release();
  };
}
