import { setTimeout as delay } from 'node:timers/promises';
import { assignmentOf, type SimulatedAssignment } from './assignment-line.js';
import { Conversation } from './conversation.js';
import type { Fault, FaultName, Scenario, ScenarioBook } from './scenario.js';
import { runTurn } from './turn.js';

/** What a POST is answered. `silence`: never answered. */
export type PostAnswer =
  | { readonly kind: 'ok' }
  | { readonly kind: 'problem'; readonly status: number; readonly message: string; readonly retryAfterSeconds?: number }
  | { readonly kind: 'silence' };

export interface SessionOptions {
  readonly stableMs: number;
  readonly thinkMs: number;
  /** Read anew for every prompt, so that a run can switch faults while it goes. */
  scenario(): Promise<Scenario>;
  /** Counts the uses of rules over all sessions of the process. */
  readonly book: ScenarioBook;
  crash(): void;
}

const ESC = '\u001b';
const CTRL_C = '\u0003';
const CTRL_U = '\u0015';
const OK: PostAnswer = { kind: 'ok' };
const BUSY = 'message can only be sent when the agent is waiting for user input';
const NOT_STABLE = 'failed to wait for screen to stabilize';
const NOT_STARTED = 'failed to wait for processing to start';

/** One conversation with its lock: the agent behind one agentapi port. */
export class Session {
  readonly conversation: Conversation;
  readonly #options: SessionOptions;
  /** Resolves when no POST is in flight. Every reader and every writer waits for it, as on the upstream lock. */
  #lock: Promise<void> = Promise.resolve();
  #interrupt = new AbortController();
  #deaf: FaultName | undefined;
  #closed = new AbortController();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.conversation = new Conversation(options.stableMs);
  }

  /** Shows the greeting after the scenario's start-up delay; a start-up dialog never ends. */
  async start(scenario: Scenario): Promise<void> {
    this.conversation.animate(true);
    if (scenario.startDialog) {
      this.conversation.showOverlay('SIMULATED dialog\nDo you trust the files in this folder?\n❯ 1. Yes\n  2. No');
      return;
    }
    if (scenario.startDelayMs > 0) await delay(scenario.startDelayMs, undefined, { signal: this.#closed.signal }).catch(() => undefined);
    if (this.#closed.signal.aborted) return;
    this.conversation.say('agent', 'SIMULATED agent: ready.');
    this.conversation.animate(false);
  }

  close(): void {
    this.#closed.abort();
    this.#interrupt.abort();
    this.conversation.close();
  }

  /** Waits until no POST holds the lock. */
  async unlocked(): Promise<void> {
    await this.#lock;
  }

  async post(type: 'user' | 'raw', content: string, header: string | undefined): Promise<PostAnswer> {
    const before = this.#lock;
    let release: () => void = () => undefined;
    this.#lock = new Promise((resolve) => (release = resolve));
    await before;
    try {
      const answer = type === 'raw' ? this.#raw(content) : await this.#user(content.trim(), header);
      if (answer.kind === 'silence') await this.#silence();
      return answer;
    } finally {
      release();
    }
  }

  /** Holds the lock until the process ends: a server that is wedged. */
  #silence(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed.signal.addEventListener('abort', () => {
        resolve();
      });
    });
  }

  async #user(content: string, header: string | undefined): Promise<PostAnswer> {
    if (content === '') return { kind: 'problem', status: 500, message: 'message must not be empty' };
    if (this.conversation.status !== 'stable') return { kind: 'problem', status: 500, message: BUSY };
    const assignment = assignmentOf(header, content);
    const scenario = await this.#options.scenario();
    const fault = assignment === undefined ? undefined : this.#options.book.faultFor(scenario, assignment);
    const refusal = this.#refuse(fault, content);
    if (refusal !== undefined) return refusal;
    this.conversation.typeInput('');
    this.conversation.say('user', content);
    void this.#work(assignment, content, fault);
    if (fault?.name === 'error-after-accept') return { kind: 'problem', status: 500, message: NOT_STARTED };
    return fault?.name === 'hang' ? { kind: 'silence' } : OK;
  }

  /** What a fault makes of the POST itself, before any work. */
  #refuse(fault: Fault | undefined, content: string): PostAnswer | undefined {
    switch (fault?.name) {
      case 'busy':
        return { kind: 'problem', status: 500, message: BUSY };
      case 'unprocessable':
        return { kind: 'problem', status: 422, message: 'validation failed' };
      case 'proxy-overloaded':
        return { kind: 'problem', status: 503, message: 'overloaded', retryAfterSeconds: 1 };
      case 'error-screen':
        this.conversation.typeInput(content);
        return { kind: 'problem', status: 500, message: NOT_STABLE };
      case 'never-leaves-stable':
        this.conversation.recordSilently(content);
        return OK;
      default:
        return undefined;
    }
  }

  async #work(assignment: SimulatedAssignment | undefined, prompt: string, fault: Fault | undefined): Promise<void> {
    this.#interrupt = new AbortController();
    this.#deaf = fault?.name;
    await runTurn({
      conversation: this.conversation,
      assignment,
      prompt,
      fault,
      thinkMs: this.#options.thinkMs,
      interrupted: this.#interrupt.signal,
      crash: () => {
        this.#options.crash();
      },
    });
    this.#deaf = undefined;
  }

  /** Keys go straight to the terminal and are not recorded. */
  #raw(keys: string): PostAnswer {
    const key = keys.replaceAll('\r', '');
    if (key === CTRL_U) this.conversation.typeInput('');
    if (key === ESC) {
      this.conversation.showOverlay('');
      if (this.#deaf !== 'ignores-esc' && this.#deaf !== 'ignores-everything') this.#interrupt.abort();
    }
    if (key === CTRL_C && this.#deaf !== 'ignores-everything') this.#interrupt.abort();
    return OK;
  }
}
