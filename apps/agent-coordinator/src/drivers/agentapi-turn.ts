import { msOf, type JsonObject } from '@taskmaster/contracts';
import type { DriverOutcome, DriverSession, DriverTask } from '../driver.js';
import type { AgentapiLimits } from './agentapi.js';
import type { AgentapiClient, PostReply } from './agentapi-client.js';
import type { EventFeed } from './event-feed.js';
import { failed, type Failure } from './failures.js';
import { ASSIGNMENT_HEADER, assignmentLine, isFinished, promptText, withoutFinishedLine } from './prompt.js';
import { classifyTail, redact } from './screen-tail.js';

export interface AgentapiTurnParts {
  readonly url: string;
  readonly client: AgentapiClient;
  readonly feed: EventFeed;
  readonly task: DriverTask;
  readonly report: (message: string) => void;
  readonly limits: AgentapiLimits;
}

export const SUMMARY_CHARACTERS_MAX = 1_000;
export const TRANSCRIPT_TAIL_CHARACTERS_MAX = 4_000;
const BUSY_WAIT_MS = 50;
const ESC = '\u001b';
const CTRL_C = '\u0003';
const CTRL_U = '\u0015';

/** One prompt on one agentapi server, from its delivery to the claim that it is done. */
export class AgentapiTurn implements DriverSession {
  readonly outcome: Promise<DriverOutcome>;
  /** Resolves when the facts are complete: the highest id before the prompt is known, or the turn is over. */
  readonly ready: Promise<void>;
  readonly #parts: AgentapiTurnParts;
  readonly #line: string;
  #after = -1;
  #runsBefore = 0;
  #takenAt = 0;
  #reportedAt = 0;
  #syncsBefore = 0;
  #stopping: string | undefined;
  #begun = false;
  #over = false;
  #settle: (outcome: DriverOutcome) => void = () => undefined;
  #markReady: () => void = () => undefined;

  constructor(parts: AgentapiTurnParts) {
    this.#parts = parts;
    this.#line = assignmentLine(parts.task.attempt, parts.task.workspace);
    this.ready = new Promise((resolve) => (this.#markReady = resolve));
    this.outcome = new Promise((resolve) => (this.#settle = resolve));
  }

  get facts(): JsonObject {
    return { driver: 'agentapi', url: this.#parts.url, after: this.#after, prompt: this.#line };
  }

  /** Delivers the prompt and waits for the claim. Never rejects. */
  async deliver(): Promise<void> {
    await this.#run(async () => {
      const failure = (await this.#awaitReady()) ?? (await this.#post());
      if (failure !== undefined) return failure;
      this.#parts.report('The agent has taken the prompt.');
      return this.#follow();
    });
  }

  /** Waits for the claim about a prompt that is in the history already. Never rejects. */
  async resume(): Promise<void> {
    await this.#run(async () => {
      const failure = await this.#awaitSync();
      if (failure !== undefined) return failure;
      this.#after = (this.#promptId() ?? 0) - 1;
      this.#takenAt = Date.now();
      return this.#follow();
    });
  }

  async stop(reason: string): Promise<void> {
    if (this.#over) return;
    this.#stopping = reason;
    if (this.#begun) this.#parts.feed.nudge();
    else this.#end(failed('stopped', reason));
    await this.outcome;
  }

  async #run(work: () => Promise<DriverOutcome>): Promise<void> {
    if (this.#over) return;
    this.#begun = true;
    let outcome: DriverOutcome;
    try {
      outcome = await work();
    } catch (error) {
      outcome = failed('lost', `The server could not be followed: ${error instanceof Error ? error.message : String(error)}`);
    }
    this.#end(outcome);
  }

  #end(outcome: DriverOutcome): void {
    this.#over = true;
    this.#parts.feed.close();
    this.#settle(outcome);
    this.#markReady();
  }

  #deadline(): number {
    return msOf(this.#parts.task.deadlineAt);
  }

  async #awaitSync(): Promise<Failure | undefined> {
    const { feed, limits } = this.#parts;
    const until = Math.min(Date.now() + limits.startMs, this.#deadline());
    while (!feed.synced) {
      if (this.#stopping !== undefined) return failed('stopped', this.#stopping);
      if (feed.lost || Date.now() >= until) return failed('unreachable', 'The agent server cannot be reached.');
      await feed.changed(until - Date.now());
    }
    return undefined;
  }

  /** Waits until the server takes a prompt; classifies what it shows when it never does. */
  async #awaitReady(): Promise<Failure | undefined> {
    const { feed, limits } = this.#parts;
    const unsynced = await this.#awaitSync();
    if (unsynced !== undefined) return unsynced;
    this.#after = feed.highestId;
    this.#markReady();
    const until = Math.min(Date.now() + limits.startMs, this.#deadline());
    while (feed.status !== 'stable' || !feed.synced) {
      if (this.#stopping !== undefined) return failed('stopped', this.#stopping);
      if (feed.lost) return failed('unreachable', 'The agent server has gone before it took the prompt.');
      if (Date.now() >= until) return this.#notReady();
      await feed.changed(until - Date.now());
    }
    return undefined;
  }

  async #notReady(): Promise<Failure> {
    const screen = await this.#parts.client.screen(this.#parts.limits.requestMs);
    const error = classifyTail(screen ?? '', Date.now());
    if (error !== undefined) return { kind: 'failed', error };
    return failed('busy', 'The agent server did not become ready for a prompt.');
  }

  /** Posts until taken. Only what is sure to have delivered nothing, or was cleared from the input box, is sent again. */
  async #post(): Promise<Failure | undefined> {
    const { client, feed, limits, task } = this.#parts;
    const text = promptText(this.#line, task.prompt);
    const headers = task.agent.profile.simulated ? { [ASSIGNMENT_HEADER]: encodeURIComponent(this.#line) } : {};
    const until = Math.min(Date.now() + limits.startMs, this.#deadline());
    for (let unsettled = 0; ;) {
      this.#after = feed.highestId;
      this.#runsBefore = feed.runs;
      this.#syncsBefore = feed.syncs;
      const reply = await client.post('user', text, { timeoutMs: limits.postMs, headers });
      const next = await this.#afterPost(reply, { until, mayClear: unsettled === 0 });
      if (next === 'again') {
        if (reply.kind === 'unsettled') unsettled += 1;
        continue;
      }
      this.#takenAt = Date.now();
      return next === 'taken' ? undefined : next;
    }
  }

  async #afterPost(reply: PostReply, how: { readonly until: number; readonly mayClear: boolean }): Promise<'again' | 'taken' | Failure> {
    if (reply.kind === 'busy' && Date.now() < how.until) {
      await this.#parts.feed.changed(BUSY_WAIT_MS);
      return (await this.#awaitReady()) ?? 'again';
    }
    if (reply.kind === 'unsettled') return (await this.#afterUnsettled(how.mayClear)) ?? failureOf(reply) ?? 'taken';
    if (reply.kind === 'ambiguous' && (await this.#isGone())) return failed('crash', 'The agent server has gone while it took the prompt.');
    return failureOf(reply) ?? 'taken';
  }

  async #afterUnsettled(mayClear: boolean): Promise<'again' | 'taken' | undefined> {
    if (await this.#wasTaken()) return 'taken';
    return mayClear && (await this.#clearInput()) ? 'again' : undefined;
  }

  async #isGone(): Promise<boolean> {
    await this.#parts.feed.changed(BUSY_WAIT_MS);
    return !this.#parts.feed.synced;
  }

  /** After a doubtful answer: the history holds the prompt, or the agent began to work. */
  async #wasTaken(): Promise<boolean> {
    const { feed, limits } = this.#parts;
    const until = Date.now() + Math.min(500, limits.requestMs);
    while (Date.now() < until) {
      if (this.#promptId() !== undefined) return true;
      await feed.changed(until - Date.now());
    }
    return false;
  }

  /** Empties the input box of a server that did not start to work; true when the text is gone and a retry is safe. */
  async #clearInput(): Promise<boolean> {
    const { client, feed, limits } = this.#parts;
    if (feed.runs !== this.#runsBefore && feed.status === 'running') return false;
    await client.post('raw', CTRL_U, { timeoutMs: limits.requestMs });
    const failure = await this.#awaitReady();
    if (failure !== undefined || (await this.#wasTaken())) return false;
    const screen = await client.screen(limits.requestMs);
    return screen !== undefined && !screen.includes(this.#line);
  }

  #promptId(): number | undefined {
    return this.#parts.feed.after(-1).findLast((message) => message.role === 'user' && message.text.includes(this.#line))?.id;
  }

  /** Watches the turn until it is claimed done, fails, or runs into a limit. */
  async #follow(): Promise<DriverOutcome> {
    const { feed } = this.#parts;
    for (;;) {
      const end = await this.#watchdog();
      if (end !== undefined) return end;
      if (feed.synced && feed.status === 'stable' && this.#hasReacted()) {
        const claim = await this.#judge();
        if (claim !== undefined) return claim;
        continue;
      }
      this.#progress();
      await feed.changed(this.#patienceMs());
    }
  }

  /** What ends a turn from outside: a stop, a limit, a lost server. */
  async #watchdog(): Promise<DriverOutcome | undefined> {
    const { feed } = this.#parts;
    if (this.#stopping !== undefined) return this.#cancelled(failed('stopped', this.#stopping));
    if (feed.lost) return failed('crash', 'The agent server has gone in the middle of its work.');
    // A history that was replayed after the prompt was taken holds it, unless the server is another one.
    if (feed.synced && feed.syncs > this.#syncsBefore && this.#promptId() === undefined)
      return failed('lost', 'The agent server forgot the prompt: it was started anew.');
    const breach = this.#breach(Date.now());
    return breach === undefined ? undefined : this.#cancelled(breach);
  }

  /** The limit that is broken now, if one is. */
  #breach(now: number): Failure | undefined {
    const { feed, limits } = this.#parts;
    if (now >= this.#deadline()) return failed('deadline', 'The agent did not finish before the deadline of the attempt.');
    if (this.#answerLength() > limits.answerCharactersMax) return failed('too_long', 'The answer of the agent is longer than allowed.');
    if (now - Math.max(feed.changedAt, this.#takenAt) >= limits.noOutputMs) {
      return failed('hang', 'The agent has shown nothing new for too long.');
    }
    if (!this.#hasReacted() && now - this.#takenAt >= limits.reactionMs) {
      return failed('no_reaction', 'The agent server took the prompt, but the agent never began.');
    }
    return undefined;
  }

  #patienceMs(): number {
    const { feed, limits } = this.#parts;
    const now = Date.now();
    const reaction = this.#hasReacted() ? Number.MAX_SAFE_INTEGER : this.#takenAt + limits.reactionMs - now;
    return Math.max(1, Math.min(this.#deadline() - now, feed.changedAt + limits.noOutputMs - now, reaction));
  }

  /** The edge: the prompt is in the history, and the agent ran or said something after it. */
  #hasReacted(): boolean {
    const id = this.#promptId();
    if (id === undefined) return false;
    return this.#parts.feed.runs > this.#runsBefore || this.#parts.feed.after(id).some((message) => message.role === 'agent');
  }

  /** Looks twice at a stable server; undefined when it moved or its answer is not complete yet. */
  async #judge(): Promise<DriverOutcome | undefined> {
    const { client, feed, limits } = this.#parts;
    const version = feed.version;
    await feed.changed(limits.confirmMs);
    if (feed.version !== version) return undefined;
    if ((await client.status(limits.requestMs)).status !== 'stable') {
      await feed.changed(limits.confirmMs);
      return undefined;
    }
    const messages = await client.messages(limits.requestMs);
    if (feed.version !== version) return undefined;
    const prompt = this.#promptId() ?? this.#after;
    const answers = messages.filter((message) => message.role === 'agent' && message.id > prompt).map((message) => message.text);
    const last = answers.at(-1) ?? '';
    if (isFinished(last)) return claimOf(answers);
    const screen = (await client.screen(limits.requestMs)) ?? last;
    const error = classifyTail(screen, Date.now());
    if (error !== undefined) return this.#blocked({ kind: 'failed', error });
    const left = feed.changedAt + limits.claimMs - Date.now();
    if (left <= 0) return claimOf(answers);
    await feed.changed(left);
    return undefined;
  }

  /** A dialog is left with ESC, so that the conversation can take another prompt. */
  async #blocked(failure: Failure): Promise<Failure> {
    return failure.error.detail?.['class'] === 'needs_input' ? this.#cancelled(failure) : failure;
  }

  /** The cancel ladder of an attached server: ESC, Ctrl-C, then give up and say so. */
  async #cancelled(failure: Failure): Promise<Failure> {
    const { client, feed, limits } = this.#parts;
    for (const [name, key] of [
      ['escape', ESC],
      ['ctrl-c', CTRL_C],
    ] as const) {
      await client.post('raw', key, { timeoutMs: limits.requestMs });
      const until = Date.now() + limits.cancelMs;
      while (!feed.lost && Date.now() < until) {
        if (feed.status === 'stable') return withDetail(failure, { cancelledBy: name });
        await feed.changed(until - Date.now());
      }
    }
    return withDetail(failure, { cancelledBy: 'nothing', stillRunning: true });
  }

  #answerLength(): number {
    return this.#parts.feed.after(this.#after).reduce((sum, message) => sum + (message.role === 'agent' ? message.text.length : 0), 0);
  }

  /** Hands on the agent's newest line, not more often than the limit says. */
  #progress(): void {
    const { feed, limits, report } = this.#parts;
    const now = Date.now();
    if (now - Math.max(this.#reportedAt, this.#takenAt) < limits.reportMs) return;
    const line =
      feed
        .after(this.#after)
        .findLast((message) => message.role === 'agent')
        ?.text.trimEnd()
        .split('\n')
        .at(-1)
        ?.trim() ?? '';
    if (line === '') return;
    this.#reportedAt = now;
    report(redact(line).slice(0, 200));
  }
}

function failureOf(reply: PostReply): Failure | undefined {
  switch (reply.kind) {
    case 'taken':
      return undefined;
    case 'busy':
      return failed('busy', 'The agent server stayed busy.');
    case 'unreachable':
      return failed('unreachable', 'The agent server cannot be reached.');
    case 'overloaded':
      return failed(
        'overloaded',
        'The way to the agent is overloaded.',
        reply.retryAfterMs === undefined ? {} : { retryAfterMs: reply.retryAfterMs },
      );
    case 'refused':
      if (reply.status === 401 || reply.status === 403)
        return failed('auth_required', 'The agent server refused our credentials.', { retryable: false });
      return failed('refused', `The agent server refused the prompt (${String(reply.status)}): ${reply.message}`, { retryable: false });
    case 'unsettled':
    case 'ambiguous':
      return failed('ambiguous_prompt', `Nobody can know whether the agent took the prompt: ${reply.message}`);
  }
}

function withDetail(failure: Failure, more: JsonObject): Failure {
  return { kind: 'failed', error: { ...failure.error, detail: { ...failure.error.detail, ...more } } };
}

function claimOf(answers: readonly string[]): DriverOutcome {
  const said = withoutFinishedLine(answers.at(-1) ?? '');
  const summary = said === '' ? 'The agent said nothing.' : redact(said).slice(0, SUMMARY_CHARACTERS_MAX);
  return { kind: 'finished', summary, transcriptTail: redact(answers.join('\n')).slice(-TRANSCRIPT_TAIL_CHARACTERS_MAX) };
}
