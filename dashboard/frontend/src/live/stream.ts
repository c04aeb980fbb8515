/**
 * One live connection: websocket, else Server-Sent Events, else polling. It believes what it hears, not the transport:
 * "live" begins with the first word of the server, for a proxy may take a connection and pass nothing on.
 */
import { apiUrl, type Query, signedOut } from "../api/http";
import { isNobodyThere } from "../lib/errors";
import type { Changed, Heartbeat, LifecycleEvent } from "../api/wire";

/** "closed": the current view has no stream. */
export type LiveState = "closed" | "connecting" | "live" | "polling" | "offline";

/** What changed: a lifecycle event, or a row that changed in a way that no event names. */
export type Change = LifecycleEvent | Changed;
export type Message<S> = S | Change;

/** The first message of any stream. */
export interface AnySnapshot {
  type: "snapshot";
  id: number;
}

export interface StreamHandlers<S> {
  onMessage: (message: Message<S> | Heartbeat) => void;
  onState: (state: LiveState) => void;
  /** The server lives but cannot read its store, say; null when all is well again. */
  onProblem: (problem: string | null) => void;
  /** Read by plain requests what no stream tells; rejects when the server cannot be reached. */
  onLook: () => Promise<void>;
}

export interface StreamOptions {
  path: string;
  query: Query;
  /** Where to resume: the id of the last message received. */
  lastId: number | null;
  /** Open no stream: there are enough of them. */
  pollOnly?: boolean;
}

const POLL_MS = 3000;
/** The first word comes within seconds, or something in between keeps it. */
const FIRST_WORD_MS = 10_000;
/** A server that says nothing for this long is gone, whatever TCP believes. Heartbeats come every 15 s. */
const SILENCE_MS = 45_000;
/** A word that comes so long after the first one was passed on by itself. */
const LATER_MS = 1000;
/** While polling works, a stream is tried now and then. */
const TRY_STREAM_MS = 30_000;
const MAX_BACKOFF_MS = 15_000;
/** So many connections in a row without a word: this place carries no stream. */
const MUTE = 2;
/** Websocket close codes, also in the SSE message "dropped". */
const NOT_ADMITTED = 1008;
const TRY_AGAIN_LATER = 1013;

interface Dropped {
  code: number;
  reason: string;
}

/** What an SSE message "dropped" says. */
function droppedIn(text: unknown): Dropped {
  let body: unknown = null;
  try {
    body = JSON.parse(String(text));
  } catch {
    // It says nothing, then.
  }
  const { code, reason } = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  return {
    code: typeof code === "number" ? code : TRY_AGAIN_LATER,
    reason: typeof reason === "string" ? reason : "",
  };
}

const jitter = (ms: number): number => ms * (0.75 + Math.random() / 2);

class Connection<S extends AnySnapshot> {
  private closed = false;
  private socket: WebSocket | null = null;
  private source: EventSource | null = null;
  private lastId: number | null;
  /** The current connection has sent something. */
  private spoke = false;
  /** When the first word of the current connection came. */
  private spokeAt = 0;
  /** A connection spoke once and then no more: a proxy that buffers passes on what comes with the headers, as here. */
  private suspect = false;
  /** Connections in a row that ended without a word. */
  private mute = 0;
  /** Looks in a row that reached nobody. */
  private missed = 0;
  private useSource = typeof WebSocket === "undefined";
  private reconnect: number | undefined;
  private watchdog: number | undefined;
  private poll: number | undefined;
  private looking = false;

  constructor(
    private readonly options: StreamOptions,
    private readonly handlers: StreamHandlers<S>,
  ) {
    this.lastId = options.lastId;
    window.addEventListener("online", this.wake);
    handlers.onState("connecting");
    if (options.pollOnly) this.startPolling();
    else this.connect();
  }

  close(): void {
    this.closed = true;
    window.removeEventListener("online", this.wake);
    this.release();
    window.clearTimeout(this.reconnect);
    this.stopPolling();
  }

  private release(): void {
    window.clearTimeout(this.watchdog);
    if (this.socket) {
      const { socket } = this;
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
      this.socket = null;
    }
    this.source?.close();
    this.source = null;
  }

  private readonly wake = (): void => {
    if (this.socket || this.source || this.options.pollOnly) return;
    this.mute = 0;
    this.useSource = typeof WebSocket === "undefined";
    this.connect();
  };

  private address(): URL {
    const resume = this.lastId === null ? {} : { lastEventId: this.lastId };
    return new URL(apiUrl(this.options.path, {}, { ...this.options.query, ...resume }), window.location.href);
  }

  private readonly connect = (): void => {
    this.release();
    window.clearTimeout(this.reconnect);
    if (this.closed) return;
    this.spoke = false;
    this.watchdog = window.setTimeout(this.ended, FIRST_WORD_MS);
    if (this.useSource) this.connectSource();
    else this.connectSocket();
  };

  private connectSocket(): void {
    const url = this.address();
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    try {
      this.socket = new WebSocket(url);
    } catch {
      this.useSource = true;
      this.connectSource();
      return;
    }
    this.socket.onmessage = (event: MessageEvent<unknown>) => this.receive(event.data);
    this.socket.onclose = (event: CloseEvent) => {
      if (event.code === TRY_AGAIN_LATER || event.code === NOT_ADMITTED) this.dropped(event);
      else this.ended();
    };
  }

  private connectSource(): void {
    const source = new EventSource(this.address());
    this.source = source;
    const listener = (event: MessageEvent<unknown>): void => this.receive(event.data);
    source.onmessage = listener;
    for (const name of ["snapshot", "heartbeat", "changed"]) source.addEventListener(name, listener);
    source.addEventListener("dropped", (event: MessageEvent<unknown>) => this.dropped(droppedIn(event.data)));
    source.onerror = this.ended;
  }

  private receive(text: unknown): void {
    if (typeof text !== "string") return;
    let message: Message<S> | Heartbeat;
    try {
      message = JSON.parse(text) as Message<S> | Heartbeat;
    } catch {
      return;
    }
    window.clearTimeout(this.watchdog);
    this.watchdog = window.setTimeout(this.silent, SILENCE_MS);
    if (typeof message.id === "number") this.lastId = message.id;
    const isFirst = !this.spoke;
    if (isFirst) {
      this.spoke = true;
      this.spokeAt = performance.now();
    }
    const isByItself = !isFirst && performance.now() - this.spokeAt > LATER_MS;
    if (this.suspect ? isByItself : isFirst) {
      this.suspect = false;
      this.mute = 0;
      this.stopPolling();
      this.handlers.onState("live");
    }
    this.handlers.onProblem(message.type === "heartbeat" ? (message.problem ?? null) : null);
    this.handlers.onMessage(message);
  }

  /** It spoke, and its heartbeats do not come: look by plain requests, and believe no single word any more. */
  private readonly silent = (): void => {
    this.suspect = true;
    this.release();
    this.again(jitter(400));
    this.startPolling();
  };

  /** The current connection has ended, or is about to. */
  private readonly ended = (): void => {
    this.release();
    if (this.closed) return;
    if (this.spoke) {
      // Streams end of age, and servers restart: nobody need see it. If nobody answers, the next attempt tells.
      this.again(jitter(400));
      return;
    }
    this.mute += 1;
    // What does not come by one way may come by the other.
    this.useSource = typeof WebSocket === "undefined" || (typeof EventSource !== "undefined" && !this.useSource);
    this.again(this.mute < MUTE ? jitter(400) : TRY_STREAM_MS);
    this.startPolling();
  };

  private again(waitMs: number): void {
    window.clearTimeout(this.reconnect);
    this.reconnect = window.setTimeout(this.connect, waitMs);
  }

  /** The server let go of this viewer and said why: it wants a fresh snapshot, not what followed. */
  private dropped({ code, reason }: Dropped): void {
    this.release();
    if (this.closed) return;
    this.lastId = null;
    if (code === NOT_ADMITTED) {
      signedOut.set(true);
      this.again(TRY_STREAM_MS);
    } else {
      this.handlers.onProblem(reason || null);
      this.again(jitter(1000));
    }
    this.startPolling();
  }

  private startPolling(): void {
    if (this.poll === undefined) this.look();
  }

  private stopPolling(): void {
    window.clearTimeout(this.poll);
    this.poll = undefined;
    this.missed = 0;
  }

  /** Read by plain requests, and learn from it whether the server is there at all. */
  private readonly look = (): void => {
    this.poll = window.setTimeout(this.look, POLL_MS);
    if (this.looking) return;
    this.looking = true;
    this.handlers
      .onLook()
      .then(
        () => this.looked(true),
        (error: unknown) => this.looked(!isNobodyThere(error)),
      )
      .finally(() => {
        this.looking = false;
      });
  };

  private looked(reached: boolean): void {
    if (this.closed || this.poll === undefined) return; // a stream spoke meanwhile
    const wasGone = this.missed > 0;
    this.missed = reached ? 0 : this.missed + 1;
    this.handlers.onState(reached ? "polling" : "offline");
    window.clearTimeout(this.poll);
    const backoff = jitter(Math.min(MAX_BACKOFF_MS, 500 * 2 ** Math.min(this.missed, 5)));
    this.poll = window.setTimeout(this.look, reached ? POLL_MS : backoff);
    if (reached && wasGone) this.wake(); // it is back: a stream may be, too
  }
}

/** Open a stream; call the result to close it. */
export function openStream<S extends AnySnapshot>(options: StreamOptions, handlers: StreamHandlers<S>): () => void {
  const connection = new Connection(options, handlers);
  return () => connection.close();
}
