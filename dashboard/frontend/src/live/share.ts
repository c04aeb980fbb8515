/**
 * One set of streams for all tabs of a browser: a server holds a thread for each stream, and over HTTP/1.1 a browser has
 * six connections for everything. One tab leads (it holds a Web Lock): it opens what the tabs that somebody looks at
 * want, each topic once, and passes on all it hears (BroadcastChannel). When it closes or is hidden, another leads on.
 * Where the browser offers neither (a page without TLS), each tab opens its own.
 */
import { get, type Query } from "../api/http";
import type { Heartbeat } from "../api/wire";
import { config } from "../config";
import { setLive, setStreamProblem } from "./state";
import { type AnySnapshot, type LiveState, type Message, openStream } from "./stream";

export interface Topic {
  path: string;
  /** Tells streams of one path apart: the filter as the address has it. */
  name: string;
  query: Query;
}

export interface Follower<S> {
  onMessage: (message: Message<S>) => void;
  /** Read by plain requests: there is no stream, or something may have been missed. Rejects when nobody answers. */
  onLook: () => Promise<void>;
}

type Heard = Message<AnySnapshot> | Heartbeat;
interface Want extends Topic {
  lastId: number | null;
}
interface Standing {
  state: LiveState;
  problem: string | null;
}
/** Between tabs. ``from`` is a tab's id. */
type Note =
  | { type: "leader"; from: string }
  | { type: "want"; from: string; wants: Want[] }
  | { type: "joined"; to: string; key: string; standing: Standing; lastId: number | null }
  | { type: "standing"; key: string; standing: Standing }
  | { type: "heard"; key: string; message: Heard }
  | { type: "look"; key: string };

/** A tab that was hidden for so long lets go. */
const HIDDEN_MS = 5000;
/** A leader that does not answer is stuck: another takes its place. */
const ANSWER_MS = 4000;
const SILENCE_MS = 60_000;
/** More streams than this would starve the page's own requests where each holds a connection. */
const MOST_STREAMS = 4;

const keyOf = ({ path, name }: Topic): string => `${path}?${name}`;
const CONNECTING: Standing = { state: "connecting", problem: null };

/** What this tab follows. */
interface Mine {
  topic: Topic;
  followers: Set<Follower<AnySnapshot>>;
  standing: Standing;
}

/** What the leader has open. */
interface Open extends Standing {
  close: () => void;
  lastId: number | null;
}

export class Share {
  private readonly id = Math.random().toString(36).slice(2);
  private readonly mine = new Map<string, Mine>();
  private readonly lastIds = new Map<string, number>();
  private readonly channel: BroadcastChannel | null;
  private readonly lockName: string;
  private active = document.visibilityState !== "hidden";
  private leads = false;
  private resign: (() => void) | null = null;
  private asking: AbortController | null = null;
  private hiding: number | undefined;
  private patience: number | undefined;
  /** As leader: what each tab wants, and what is open for them. */
  private readonly wants = new Map<string, Map<string, Want>>();
  private readonly open = new Map<string, Open>();

  constructor(scope: string) {
    this.lockName = `durable-live:${scope}`;
    const shares = typeof BroadcastChannel !== "undefined" && "locks" in navigator;
    this.channel = shares ? new BroadcastChannel(this.lockName) : null;
    if (this.channel) {
      this.channel.onmessage = (event: MessageEvent<Note>) => this.read(event.data);
      // Held as long as the tab lives: how a leader learns that a follower has gone.
      void navigator.locks.request(this.tabLock(this.id), () => new Promise(() => undefined)).catch(() => undefined);
    }
    document.addEventListener("visibilitychange", this.seen);
    window.addEventListener("pagehide", this.left);
    window.addEventListener("pageshow", this.seen);
  }

  /** For tests: let go of everything. */
  end(): void {
    this.mine.clear();
    this.setActive(false);
    this.channel?.close();
    document.removeEventListener("visibilitychange", this.seen);
    window.removeEventListener("pagehide", this.left);
    window.removeEventListener("pageshow", this.seen);
  }

  follow<S extends AnySnapshot>(topic: Topic, follower: Follower<S>): () => void {
    const key = keyOf(topic);
    const own = follower as unknown as Follower<AnySnapshot>;
    const known = this.mine.get(key);
    if (known) known.followers.add(own);
    else this.mine.set(key, { topic, followers: new Set([own]), standing: CONNECTING });
    this.changed();
    return () => {
      const mine = this.mine.get(key);
      mine?.followers.delete(own);
      if (mine?.followers.size === 0) this.mine.delete(key);
      this.changed();
    };
  }

  // -- this tab ---------------------------------------------------------------------------------------------

  private readonly seen = (): void => {
    window.clearTimeout(this.hiding);
    if (document.visibilityState !== "hidden") this.setActive(true);
    else this.hiding = window.setTimeout(() => this.setActive(false), HIDDEN_MS);
  };

  private readonly left = (): void => this.setActive(false);

  private setActive(active: boolean): void {
    if (active === this.active) return;
    this.active = active;
    if (!active) for (const mine of this.mine.values()) mine.standing = CONNECTING;
    this.changed();
  }

  /** What this tab wants has changed. */
  private changed(): void {
    this.show();
    const wants = this.active ? this.ownWants() : [];
    // Also without wants of its own: a tab that goes from page to page leads on for the others.
    if (this.active) this.candidate();
    else this.letGo();
    if (this.leads) this.note(this.id, wants);
    else {
      this.send({ type: "want", from: this.id, wants });
      this.expect(wants.length > 0 ? ANSWER_MS : null);
    }
  }

  private ownWants(): Want[] {
    return [...this.mine].map(([key, { topic }]) => ({ ...topic, lastId: this.lastIds.get(key) ?? null }));
  }

  /** The newest topic is what the page shows; its standing goes to the top bar. */
  private show(): void {
    const standing = [...this.mine.values()].at(-1)?.standing;
    setLive(standing?.state ?? "closed");
    setStreamProblem(standing?.problem ?? null);
  }

  private stands(key: string, standing: Standing): void {
    const mine = this.mine.get(key);
    if (!mine) return;
    mine.standing = standing;
    this.show();
  }

  private hears(key: string, message: Heard): void {
    if (typeof message.id === "number") this.lastIds.set(key, message.id);
    if (message.type === "heartbeat") return;
    for (const follower of this.mine.get(key)?.followers ?? []) follower.onMessage(message);
  }

  private async looks(key: string): Promise<void> {
    await Promise.all([...(this.mine.get(key)?.followers ?? [])].map((follower) => follower.onLook()));
  }

  // -- between tabs -----------------------------------------------------------------------------------------

  private tabLock(id: string): string {
    return `${this.lockName}:tab:${id}`;
  }

  private send(note: Note): void {
    this.channel?.postMessage(note);
  }

  private read(note: Note): void {
    if (this.leads) {
      if (note.type === "want") this.note(note.from, note.wants);
      else if (note.type === "leader") {
        this.letGo(); // it took the lock from this tab
        this.changed();
      }
      return;
    }
    if (!this.active) return;
    if (note.type === "leader") {
      this.changed();
      return;
    }
    if (note.type === "want" || !this.mine.has(note.key)) return;
    this.expect(SILENCE_MS);
    if (note.type === "standing") this.stands(note.key, note.standing);
    else if (note.type === "heard") this.hears(note.key, note.message);
    else if (note.type === "look") void this.looks(note.key).catch(() => undefined);
    else if (note.to === this.id) this.joined(note.key, note.standing, note.lastId);
  }

  /** The leader had it open already: what was said before this tab asked, it has not heard. */
  private joined(key: string, standing: Standing, lastId: number | null): void {
    this.stands(key, standing);
    if (lastId !== null && lastId !== this.lastIds.get(key)) void this.looks(key).catch(() => undefined);
  }

  /** Wait for a word of the leader; null: for none. */
  private expect(ms: number | null): void {
    window.clearTimeout(this.patience);
    if (ms !== null && this.channel && !this.leads) this.patience = window.setTimeout(() => this.ask(true), ms);
  }

  // -- leading ----------------------------------------------------------------------------------------------

  private candidate(): void {
    if (this.leads || this.asking) return;
    if (this.channel) this.ask(false);
    else this.lead();
  }

  private ask(steal: boolean): void {
    this.asking?.abort();
    const asking = new AbortController();
    this.asking = asking;
    const held = (): Promise<void> =>
      new Promise((resolve) => {
        if (asking.signal.aborted) {
          resolve();
          return;
        }
        this.resign = resolve;
        this.lead();
      });
    navigator.locks
      .request(this.lockName, steal ? { steal } : { signal: asking.signal }, held)
      .catch(() => undefined) // given up, or taken by another
      .finally(() => {
        if (this.asking === asking) this.asking = null;
      });
  }

  private lead(): void {
    this.leads = true;
    window.clearTimeout(this.patience);
    this.send({ type: "leader", from: this.id });
    this.note(this.id, this.ownWants());
  }

  /** Lead no more, or stop asking to. */
  private letGo(): void {
    this.asking?.abort();
    this.asking = null;
    this.resign?.();
    this.resign = null;
    this.leads = false;
    for (const open of this.open.values()) open.close();
    this.open.clear();
    this.wants.clear();
    window.clearTimeout(this.patience);
  }

  /** Take what a tab wants, and open and close accordingly. */
  private note(tab: string, wants: readonly Want[]): void {
    if (tab !== this.id && !this.wants.has(tab)) this.watch(tab);
    if (wants.length > 0) this.wants.set(tab, new Map(wants.map((want) => [keyOf(want), want])));
    else this.wants.delete(tab);
    const wanted = new Map([...this.wants.values()].flatMap((own) => [...own]));
    for (const [key, open] of this.open) {
      if (wanted.has(key)) continue;
      open.close();
      this.open.delete(key);
    }
    for (const want of wants) {
      const key = keyOf(want);
      const open = this.open.get(key);
      if (!open) this.start(key, want);
      else if (tab === this.id) this.stands(key, { state: open.state, problem: open.problem });
      else {
        const { state, problem, lastId } = open;
        this.send({ type: "joined", to: tab, key, standing: { state, problem }, lastId });
        continue;
      }
      if (tab !== this.id) this.send({ type: "joined", to: tab, key, standing: CONNECTING, lastId: null });
    }
  }

  /** Learn when a tab is gone: its own lock is free then. */
  private watch(tab: string): void {
    void navigator.locks
      .request(this.tabLock(tab), () => {
        if (this.leads && this.wants.has(tab)) this.note(tab, []);
      })
      .catch(() => undefined);
  }

  private start(key: string, { path, query, lastId }: Want): void {
    const open: Open = { ...CONNECTING, lastId, close: () => undefined };
    const streams = this.open.size;
    this.open.set(key, open);
    const say = (change: Partial<Standing>): void => {
      Object.assign(open, change);
      const standing = { state: open.state, problem: open.problem };
      this.stands(key, standing);
      this.send({ type: "standing", key, standing });
    };
    open.close = openStream<AnySnapshot>(
      { path, query, lastId, pollOnly: streams >= MOST_STREAMS || !config.streams },
      {
        onState: (state) => say({ state }),
        onProblem: (problem) => {
          if (problem !== open.problem) say({ problem });
        },
        onMessage: (message) => {
          open.lastId = message.id;
          this.hears(key, message);
          this.send({ type: "heard", key, message });
        },
        onLook: async () => {
          this.send({ type: "look", key });
          if (this.mine.has(key)) await this.looks(key);
          else await get("/health", {}); // somebody else's: is anybody there?
        },
      },
    );
  }
}

let share: Share | null = null;

/** Follow a topic until the result is called. */
export function follow<S extends AnySnapshot>(topic: Topic, follower: Follower<S>): () => void {
  share ??= new Share(config.api);
  return share.follow(topic, follower);
}

/** For tests: as if the tab had been closed. */
export function endShare(): void {
  share?.end();
  share = null;
}
