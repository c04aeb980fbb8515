/** Live connections under the test's control. */

/** A WebSocket that does what the test says, when it says so. */
export class FakeSocket {
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    const socket = FakeSocket.all.at(-1);
    if (!socket) throw new Error("No socket was opened.");
    return socket;
  }

  readonly url: string;
  closed = false;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;

  constructor(url: string | URL) {
    this.url = String(url);
    FakeSocket.all.push(this);
  }

  close(): void {
    this.closed = true;
  }

  /** The server accepts the connection. */
  accept(): void {
    this.onopen?.();
  }

  /** The server sends a message. */
  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The server ends the connection. */
  end(code = 1006, reason = ""): void {
    this.closed = true;
    this.onclose?.({ code, reason });
  }
}

/** An EventSource under the test's control. */
export class FakeEventSource {
  static all: FakeEventSource[] = [];
  static get last(): FakeEventSource {
    const source = FakeEventSource.all.at(-1);
    if (!source) throw new Error("No event source was opened.");
    return source;
  }

  readonly url: string;
  closed = false;
  onopen: (() => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: (() => void) | null = null;
  private readonly named = new Map<string, (event: MessageEvent) => void>();

  constructor(url: string | URL) {
    this.url = String(url);
    FakeEventSource.all.push(this);
  }

  addEventListener(name: string, listener: (event: MessageEvent) => void): void {
    this.named.set(name, listener);
  }

  close(): void {
    this.closed = true;
  }

  say(name: string, message: object): void {
    const event = new MessageEvent(name, { data: JSON.stringify(message) });
    if (name === "message") this.onmessage?.(event);
    else this.named.get(name)?.(event);
  }
}
