/** Web Locks and BroadcastChannel in the test's hands: several tabs in one document. */

interface Request {
  run: () => void;
  abort: () => void;
}

/** Locks with a queue each, as the browser's; ``steal`` takes one from its holder. */
export class FakeLocks {
  private readonly held = new Map<string, Request | null>();
  private readonly queues = new Map<string, Request[]>();

  request(name: string, ...rest: unknown[]): Promise<unknown> {
    const work = rest.at(-1) as () => Promise<unknown> | undefined;
    const options = (rest.length > 1 ? rest[0] : {}) as { signal?: AbortSignal; steal?: boolean };
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(new DOMException("Given up or taken.", "AbortError"));
      const request: Request = {
        abort,
        run: () => {
          this.held.set(name, request);
          void Promise.resolve(work()).then((value) => {
            if (this.held.get(name) === request) this.free(name);
            resolve(value);
          });
        },
      };
      options.signal?.addEventListener("abort", () => {
        const queue = this.queues.get(name) ?? [];
        if (!queue.includes(request)) return;
        queue.splice(queue.indexOf(request), 1);
        abort();
      });
      if (options.steal) {
        this.held.get(name)?.abort();
        request.run();
      } else if (this.held.get(name)) this.queues.set(name, [...(this.queues.get(name) ?? []), request]);
      else request.run();
    });
  }

  /** A tab died: what it held under a name is free. */
  free(name: string): void {
    this.held.set(name, null);
    this.queues.get(name)?.shift()?.run();
  }

  names(): string[] {
    return [...this.held].filter(([, holder]) => holder).map(([name]) => name);
  }
}

/** Delivers at once, to every other channel of the name. */
export class FakeChannel {
  private static readonly all = new Set<FakeChannel>();
  onmessage: ((event: { data: unknown }) => void) | null = null;
  constructor(readonly name: string) {
    FakeChannel.all.add(this);
  }

  postMessage(data: unknown): void {
    for (const channel of [...FakeChannel.all]) {
      if (channel !== this && channel.name === this.name) channel.onmessage?.({ data: structuredClone(data) });
    }
  }

  close(): void {
    FakeChannel.all.delete(this);
  }
}
