export type AgentStatus = 'running' | 'stable';

export interface ConversationMessage {
  readonly id: number;
  readonly role: 'user' | 'agent';
  readonly content: string;
  readonly time: string;
}

/** What `GET /events` sends. The field is `message` here and `content` in `GET /messages`, as upstream has it. */
export type ConversationEvent =
  | {
      readonly event: 'message_update';
      readonly data: { readonly id: number; readonly role: string; readonly message: string; readonly time: string };
    }
  | { readonly event: 'status_change'; readonly data: { readonly status: AgentStatus; readonly agent_type: string } };

export interface ConversationListener {
  event(event: ConversationEvent): void;
  /** The server closes the stream. */
  dropped(): void;
}

export const AGENT_TYPE = 'custom';
/** Listeners of one conversation; one more closes the oldest, as a slow reader is dropped upstream. */
export const LISTENERS_MAX = 64;
const SCREEN_LINES = 60;

/**
 * One conversation as agentapi shows it: a list of messages of which only the last is ever rewritten, and a status that is nothing
 * but a silence detector. `stable` means that the screen has not changed for the quiet window.
 */
export class Conversation {
  readonly #messages: ConversationMessage[] = [];
  readonly #listeners = new Set<ConversationListener>();
  readonly #stableMs: number;
  #status: AgentStatus = 'running';
  #animating = false;
  #quiet: NodeJS.Timeout | undefined;
  #overlay = '';
  #input = '';

  constructor(stableMs: number) {
    this.#stableMs = stableMs;
  }

  get status(): AgentStatus {
    return this.#status;
  }

  get messages(): readonly ConversationMessage[] {
    return this.#messages;
  }

  /** What an observer of the terminal would see: the end of the conversation, a dialog if one is up, and the input box. */
  get screen(): string {
    const lines = this.#messages.flatMap((message) => message.content.split('\n')).slice(-SCREEN_LINES);
    return [...lines, this.#overlay, `> ${this.#input}`].filter((line) => line !== '').join('\n');
  }

  get input(): string {
    return this.#input;
  }

  say(role: 'user' | 'agent', content: string): void {
    const message: ConversationMessage = { id: this.#messages.length, role, content, time: new Date().toISOString() };
    this.#messages.push(message);
    this.#emit(updateOf(message));
    this.touch();
  }

  /** Rewrites the last message in place: same id, new text. */
  rewriteLast(content: string): void {
    const last = this.#messages.at(-1);
    if (last === undefined) return;
    const message = { ...last, content };
    this.#messages[last.id] = message;
    this.#emit(updateOf(message));
    this.touch();
  }

  /** An animated screen never falls silent. */
  animate(animating: boolean): void {
    this.#animating = animating;
    this.touch();
  }

  showOverlay(text: string): void {
    this.#overlay = text;
    this.touch();
  }

  typeInput(text: string): void {
    this.#input = text;
    this.touch();
  }

  /** The screen changed: running now, stable after the quiet window if nothing moves and the last word is not the user's. */
  touch(): void {
    this.#setStatus('running');
    clearTimeout(this.#quiet);
    if (this.#animating) return;
    this.#quiet = setTimeout(() => {
      if (this.#messages.at(-1)?.role !== 'user') this.#setStatus('stable');
    }, this.#stableMs);
  }

  /** Says `stable` without waiting, as a detector that was fooled does. */
  forceStable(): void {
    clearTimeout(this.#quiet);
    this.#setStatus('stable');
  }

  /** Adds a user's message without a change of status: a server that took the prompt and whose agent never reacted. */
  recordSilently(content: string): void {
    const message: ConversationMessage = { id: this.#messages.length, role: 'user', content, time: new Date().toISOString() };
    this.#messages.push(message);
    this.#emit(updateOf(message));
  }

  /** Replays the whole history to a new listener, then keeps it informed. */
  subscribe(listener: ConversationListener): () => void {
    for (const message of this.#messages) listener.event(updateOf(message));
    listener.event(statusOf(this.#status));
    return this.follow(listener);
  }

  /** Keeps a listener informed from now on. */
  follow(listener: ConversationListener): () => void {
    if (this.#listeners.size >= LISTENERS_MAX) {
      const oldest = [...this.#listeners][0];
      if (oldest !== undefined) this.#drop(oldest);
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  dropListeners(): void {
    for (const listener of [...this.#listeners]) this.#drop(listener);
  }

  close(): void {
    clearTimeout(this.#quiet);
    this.dropListeners();
  }

  #drop(listener: ConversationListener): void {
    this.#listeners.delete(listener);
    listener.dropped();
  }

  #setStatus(status: AgentStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    this.#emit(statusOf(status));
  }

  #emit(event: ConversationEvent): void {
    for (const listener of this.#listeners) listener.event(event);
  }
}

const updateOf = (message: ConversationMessage): ConversationEvent => ({
  event: 'message_update',
  data: { id: message.id, role: message.role, message: message.content, time: message.time },
});
const statusOf = (status: AgentStatus): ConversationEvent => ({ event: 'status_change', data: { status, agent_type: AGENT_TYPE } });
