import type { AgentView, JsonObject } from '@taskmaster/contracts';
import type { AgentDriver, DriverOutcome, DriverSession, DriverTask } from '../driver.js';
import { AgentapiClient, AgentapiFault } from './agentapi-client.js';
import { AgentapiTurn } from './agentapi-turn.js';
import { EventFeed } from './event-feed.js';
import { failed } from './failures.js';
import { assignmentLine } from './prompt.js';

/** Limits of a conversation with an agentapi server, in milliseconds unless the name says otherwise. */
export interface AgentapiLimits {
  /** Until a server is ready for a prompt, a busy one included. */
  readonly startMs: number;
  /** Of one POST; afterwards the server counts as wedged. */
  readonly postMs: number;
  /** Of any other request. */
  readonly requestMs: number;
  /** From a taken prompt to the first sign of work. */
  readonly reactionMs: number;
  /** Quiet time between the two looks that confirm `stable`. */
  readonly confirmMs: number;
  /** Quiet time after which a silent answer without its last line counts as a claim all the same. */
  readonly claimMs: number;
  /** Without any change on the screen. */
  readonly noOutputMs: number;
  /** Between ESC, Ctrl-C and giving up. */
  readonly cancelMs: number;
  /** Until a port that is gone counts as lost. */
  readonly lostPortMs: number;
  /** Between two progress reports. */
  readonly reportMs: number;
  /** Characters of all answers of one turn. */
  readonly answerCharactersMax: number;
}

export const AGENTAPI_LIMITS: AgentapiLimits = {
  startMs: 60_000,
  postMs: 45_000,
  requestMs: 5_000,
  reactionMs: 30_000,
  confirmMs: 20,
  claimMs: 10_000,
  noOutputMs: 600_000,
  cancelMs: 5_000,
  lostPortMs: 2_000,
  reportMs: 5_000,
  answerCharactersMax: 1_000_000,
};

export interface AgentapiDriverOptions {
  /** For a reverse proxy in front of the servers. */
  readonly apiKey?: string;
  readonly limits?: Partial<AgentapiLimits>;
}

/** Drives agents behind attached agentapi servers. One server is one conversation, so its prompts go one after the other. */
export class AgentapiDriver implements AgentDriver {
  readonly #limits: AgentapiLimits;
  readonly #apiKey: string | undefined;
  /** By address: when the turns that were asked for so far are over. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(options: AgentapiDriverOptions = {}) {
    this.#limits = { ...AGENTAPI_LIMITS, ...options.limits };
    this.#apiKey = options.apiKey;
  }

  async start(task: DriverTask, report: (message: string) => void): Promise<DriverSession> {
    const url = task.agent.profile.endpoint;
    let turn: AgentapiTurn;
    try {
      turn = this.#turn(url, task, report);
    } catch (error) {
      if (!(error instanceof AgentapiFault)) throw error;
      return deadSession(failed('refused', `The agent cannot be driven: ${error.message}.`, { retryable: false }));
    }
    const before = this.#turns.get(url);
    const over = (before ?? Promise.resolve())
      .then(() => turn.deliver())
      .then(() => turn.outcome)
      .then(() => undefined);
    this.#remember(url, over);
    // A turn that waits in line is handed out at once, so that it can be stopped while it waits.
    if (before === undefined) await turn.ready;
    return turn;
  }

  /** Goes on waiting for a prompt that an earlier process sent; null when this server's history does not hold it. */
  async reattach(task: DriverTask, facts: JsonObject): Promise<DriverSession | null> {
    const url = facts['url'];
    if (facts['driver'] !== 'agentapi' || typeof url !== 'string') return null;
    const line = assignmentLine(task.attempt, task.workspace);
    try {
      const messages = await this.#client(url).messages(this.#limits.requestMs);
      if (!messages.some((message) => message.role === 'user' && message.text.includes(line))) return null;
    } catch (error) {
      if (error instanceof AgentapiFault) return null;
      throw error;
    }
    const turn = this.#turn(url, task, () => undefined);
    this.#remember(
      url,
      turn.outcome.then(() => undefined),
    );
    void turn.resume();
    return turn;
  }

  /** A server whose lock one of our prompts holds does not answer; that is not an absent one. */
  async health(agent: AgentView): Promise<{ readonly available: boolean; readonly detail: string }> {
    const url = agent.profile.endpoint;
    try {
      const { status, agentType } = await this.#client(url).status(Math.min(2_000, this.#limits.requestMs));
      return { available: true, detail: `${agentType} is ${status}` };
    } catch (error) {
      if (!(error instanceof AgentapiFault)) throw error;
      const held = error.code === 'timeout' && this.#turns.has(url);
      return held ? { available: true, detail: 'busy with a prompt' } : { available: false, detail: error.message };
    }
  }

  #client(url: string): AgentapiClient {
    return new AgentapiClient(url, this.#apiKey);
  }

  #turn(url: string, task: DriverTask, report: (message: string) => void): AgentapiTurn {
    const client = this.#client(url);
    const feed = new EventFeed(client, { lostPortMs: this.#limits.lostPortMs });
    return new AgentapiTurn({ url, client, feed, task, report, limits: this.#limits });
  }

  #remember(url: string, over: Promise<void>): void {
    this.#turns.set(url, over);
    void over.then(() => {
      if (this.#turns.get(url) === over) this.#turns.delete(url);
    });
  }
}

/** A session that was over before it began. */
const deadSession = (outcome: DriverOutcome): DriverSession => ({
  outcome: Promise.resolve(outcome),
  stop: () => Promise.resolve(),
  facts: { driver: 'agentapi' },
});
