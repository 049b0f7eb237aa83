import type { AgentapiClient, AgentMessage, AgentStatus } from './agentapi-client.js';

export interface EventFeedOptions {
  /** How long the port may be gone before the session counts as lost. */
  readonly lostPortMs: number;
}

const RECONNECT_MS_FIRST = 25;
const RECONNECT_MS_MAX = 1000;

/**
 * What the server has said so far, kept current from its event stream. The stream has no resume: every connection replays the whole
 * history, so a reconnect rebuilds the view, and a message that did not change does not count as news.
 */
export class EventFeed {
  readonly #client: AgentapiClient;
  readonly #options: EventFeedOptions;
  readonly #waiting = new Set<() => void>();
  #messages = new Map<number, AgentMessage>();
  #status: AgentStatus | undefined;
  #synced = false;
  #fresh = false;
  #lost = false;
  #closed = false;
  #syncs = 0;
  #goneSince: number | undefined;
  #runs = 0;
  #changedAt = Date.now();
  #version = 0;
  #close: () => void = () => undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(client: AgentapiClient, options: EventFeedOptions) {
    this.#client = client;
    this.#options = options;
    this.#connect(RECONNECT_MS_FIRST);
  }

  /** True once a connection has replayed its history; false again while a reconnect does. */
  get synced(): boolean {
    return this.#synced;
  }

  /** How often a connection has replayed the history. */
  get syncs(): number {
    return this.#syncs;
  }

  /** The port is gone for longer than allowed. */
  get lost(): boolean {
    return this.#lost;
  }

  get status(): AgentStatus | undefined {
    return this.#status;
  }

  /** How often `running` was said; grows with every change to it. */
  get runs(): number {
    return this.#runs;
  }

  /** When something last changed, in milliseconds since the epoch. */
  get changedAt(): number {
    return this.#changedAt;
  }

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  get highestId(): number {
    return Math.max(-1, ...this.#messages.keys());
  }

  after(id: number): readonly AgentMessage[] {
    return [...this.#messages.values()].filter((message) => message.id > id).sort((a, b) => a.id - b.id);
  }

  /** Resolves at the next change or after `ms`. */
  changed(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.max(0, Math.min(ms, 2_147_483_647)));
      this.#waiting.add(wake);
    });
  }

  /** Wakes whoever waits, as a change would. */
  nudge(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#close();
    this.nudge();
  }

  #connect(delayMs: number): void {
    this.#fresh = true;
    this.#close = this.#client.stream('events', {
      event: (name, data) => {
        this.#take(name, data);
      },
      ended: () => {
        this.#ended(this.#fresh ? delayMs : RECONNECT_MS_FIRST);
      },
    });
  }

  #ended(delayMs: number): void {
    if (this.#closed) return;
    this.#synced = false;
    this.#goneSince ??= Date.now();
    if (Date.now() - this.#goneSince >= this.#options.lostPortMs) {
      this.#lost = true;
      this.#news();
      return;
    }
    this.#retry = setTimeout(() => {
      this.#connect(Math.min(delayMs * 2, RECONNECT_MS_MAX));
    }, delayMs);
  }

  #take(name: string, data: unknown): void {
    if (this.#fresh) {
      this.#fresh = false;
      this.#goneSince = undefined;
      this.#replaying = new Map();
    }
    const fields = data as Readonly<Record<string, unknown>>;
    if (name === 'message_update')
      this.#takeMessage({ id: Number(fields['id']), role: String(fields['role']), text: String(fields['message']) });
    if (name === 'status_change') this.#takeStatus(fields['status'] === 'stable' ? 'stable' : 'running');
  }

  /** Filled while a connection replays; becomes the view with the first status. */
  #replaying: Map<number, AgentMessage> | undefined;

  #takeMessage(message: AgentMessage): void {
    if (this.#replaying !== undefined) {
      this.#replaying.set(message.id, message);
      return;
    }
    if (this.#messages.get(message.id)?.text === message.text) return;
    this.#messages.set(message.id, message);
    this.#news();
  }

  #takeStatus(status: AgentStatus): void {
    if (this.#replaying !== undefined) {
      this.#messages = this.#replaying;
      this.#replaying = undefined;
      this.#synced = true;
      this.#syncs += 1;
    } else if (this.#status === status) return;
    if (status === 'running') this.#runs += 1;
    this.#status = status;
    this.#news();
  }

  #news(): void {
    this.#changedAt = Date.now();
    this.#version += 1;
    this.nudge();
  }
}
