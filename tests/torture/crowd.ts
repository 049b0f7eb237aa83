import { setMaxListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { isDecided } from '@taskmaster/client';
import type { ClientRecord } from '@taskmaster/proof';
import { seededRandom, type SeededRandom, type TestRepository } from '@taskmaster/testing';
import type { HttpAnswer, HttpClient } from '../platform/http-client.js';
import { anyWorkload, cicdWorkload, type Workload } from './workloads.js';

export interface CrowdOptions {
  readonly seed: number;
  /** How many hand in small workflows, each one after the other. */
  readonly people: number;
  readonly repositories: readonly TestRepository[];
  /** One per gateway. */
  readonly gateways: readonly HttpClient[];
  readonly record: (record: ClientRecord) => void;
}

/** A workflow that a client was told is accepted. */
export interface Accepted extends Workload {
  readonly id: string;
  readonly key: string;
  cancelled: boolean;
}

interface Command {
  readonly method: string;
  readonly path: string;
  readonly body: object;
  readonly key: string;
  /** The workflow that it steers; what is to be executed has none yet. */
  readonly stream?: string;
}

const ANSWER_MS_MAX = 4_000;
const INSIST_MS_MAX = 240_000;
const THINK_MS_MIN = 150;
const THINK_MS_MAX = 700;
const CICD_EVERY_MS = 9_000;
const AGAIN_MS_MAX = 5_000;
const PAUSED_MS_MAX = 3_000;
const LATER_MS = 100;

/** Clients that keep coming: they hand in workflows, repeat themselves, pause, resume and cancel, and keep every answer. */
export class Crowd {
  readonly accepted: Accepted[] = [];
  readonly counts: Record<string, number> = {};
  /** The longest that somebody had to ask until a workflow was accepted. */
  longestAcceptMs = 0;
  private readonly leaving = new AbortController();
  private readonly errands = new Set<Promise<unknown>>();
  private readonly staying: Promise<unknown>;
  private fault: Error | undefined;

  constructor(private readonly options: CrowdOptions) {
    // Everybody who waits for something listens.
    setMaxListeners(0, this.leaving.signal);
    const people = Array.from({ length: options.people }, (_, index) => this.handIn(seededRandom(options.seed * 1_000 + index), index));
    this.staying = Promise.all([...people, this.deliver()]).catch((error: unknown) => (this.fault = error as Error));
  }

  /** Nobody comes any more; those who wait for an answer insist until they have it. @throws when one never came */
  async leave(): Promise<void> {
    this.leaving.abort();
    await this.staying;
    while (this.errands.size > 0) await Promise.all(this.errands);
    if (this.fault !== undefined) throw this.fault;
  }

  /** Asks once more for everything that was accepted; each answer is kept and must be the first one. */
  async askAgain(): Promise<void> {
    const waiting = [...this.accepted];
    const ask = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await this.insist(executionOf(next.key, next.body), [0]);
    };
    await Promise.all(Array.from({ length: 8 }, ask));
  }

  private async handIn(random: SeededRandom, person: number): Promise<void> {
    for (let turn = 1; !this.leaving.signal.aborted; turn += 1) {
      const key = `torture-${String(this.options.seed)}-${String(person)}-${String(turn)}`;
      const accepted = await this.execute(key, anyWorkload(random, key), random);
      this.steer(accepted, random);
      await this.rest(random.integer(THINK_MS_MIN, THINK_MS_MAX));
    }
  }

  private async deliver(): Promise<void> {
    const { repositories, seed } = this.options;
    const random = seededRandom(seed * 1_000 + 999);
    for (let turn = 0; repositories.length > 0 && !this.leaving.signal.aborted; turn += 1) {
      const repository = repositories[turn % repositories.length] as TestRepository;
      await this.execute(`torture-${String(seed)}-cicd-${String(turn)}`, cicdWorkload(turn, repository), random);
      await this.rest(CICD_EVERY_MS);
    }
  }

  private rest(ms: number): Promise<unknown> {
    return pause(ms, undefined, { signal: this.leaving.signal }).catch(() => undefined);
  }

  private async execute(key: string, workload: Workload, random: SeededRandom): Promise<Accepted> {
    const began = performance.now();
    const command = executionOf(key, workload.body);
    const stream = await this.insist(command, this.ways(random));
    this.longestAcceptMs = Math.max(this.longestAcceptMs, performance.now() - began);
    const accepted: Accepted = { ...workload, id: stream.slice('workflow-'.length), key, cancelled: false };
    this.accepted.push(accepted);
    if (random.chance(0.15)) {
      this.count('later-duplicate');
      this.errand(this.afterwards(random.integer(0, AGAIN_MS_MAX), () => this.insist(command, this.ways(random))));
    }
    return accepted;
  }

  /** Mostly one gateway; now and then all of them at once. */
  private ways(random: SeededRandom): readonly number[] {
    const all = this.options.gateways.map((_, index) => index);
    if (!random.chance(0.12)) return [random.pick(all)];
    this.count('concurrent-duplicate');
    return all;
  }

  private steer(accepted: Accepted, random: SeededRandom): void {
    const { id, key } = accepted;
    const path = `/api/workflows/${id}`;
    const stream = `workflow-${id}`;
    const [chance, firstMs, pausedMs] = [random.next(), random.integer(0, 1_500), random.integer(100, PAUSED_MS_MAX)];
    if (chance < 0.1) {
      this.count('cancel');
      accepted.cancelled = true;
      const cancel = { method: 'DELETE', path, body: {}, key: `${key}-cancel`, stream };
      this.errand(this.afterwards(firstMs, () => this.insist(cancel, this.ways(random))));
    } else if (chance < 0.25) {
      this.count('pause-and-resume');
      const put = (verb: string): Command => ({ method: 'PUT', path: `${path}/${verb}`, body: {}, key: `${key}-${verb}`, stream });
      const both = async (): Promise<void> => {
        await this.insist(put('pause'), this.ways(random));
        await this.afterwards(pausedMs, () => this.insist(put('resume'), this.ways(random)));
      };
      this.errand(this.afterwards(firstMs, both));
    }
  }

  private async afterwards(ms: number, work: () => Promise<unknown>): Promise<void> {
    await this.rest(ms);
    await work();
  }

  private errand(work: Promise<unknown>): void {
    const watched = work.catch((error: unknown) => (this.fault = error as Error)).finally(() => this.errands.delete(watched));
    this.errands.add(watched);
  }

  private count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** Asks over these gateways, at once, and then over one after the other until there is an answer that counts: its stream. */
  private async insist(command: Command, ways: readonly number[]): Promise<string> {
    const end = performance.now() + INSIST_MS_MAX;
    const { gateways } = this.options;
    for (let turn = 0, over = ways; ; turn += 1) {
      const answers = await Promise.all(over.map((way) => this.ask(gateways[way] as HttpClient, command)));
      const [stream] = answers.filter((answer) => answer !== undefined);
      if (stream !== undefined) return stream;
      if (performance.now() > end) throw new Error(`${command.method} ${command.path} with the key ${command.key} was never answered`);
      await pause(LATER_MS);
      over = [((ways[0] ?? 0) + turn + 1) % gateways.length];
    }
  }

  /** @returns the workflow's stream when the answer says what became of the command */
  private async ask(gateway: HttpClient, { method, path, body, key, stream: steered }: Command): Promise<string | undefined> {
    const options = { body, headers: { 'idempotency-key': key }, timeoutMs: ANSWER_MS_MAX };
    const answer = await gateway.call(method, path, options).catch((): HttpAnswer => ({ status: 0, body: undefined }));
    const { workflowId, version, position, code } = (answer.body ?? {}) as {
      readonly workflowId?: string;
      readonly version?: number;
      readonly position?: number;
      readonly code?: string;
    };
    const stream = steered ?? `workflow-${workflowId ?? ''}`;
    if (isGood(answer) && version !== undefined && position !== undefined) {
      this.options.record({ kind: 'accepted', key, stream, version, position });
      return stream;
    }
    if (code !== undefined && isDecided(code)) {
      this.options.record({ kind: 'refused', key, stream, code });
      return stream;
    }
    // A request that is refused as such will not be taken the next time either.
    if (isBad(answer)) throw new Error(`${method} ${path} was answered ${String(answer.status)}: ${JSON.stringify(answer.body)}`);
    return undefined;
  }
}

/** Conflict with one's own first try, and too many requests. */
const PASSING = new Set([409, 429]);

const isGood = ({ status }: HttpAnswer): boolean => status >= 200 && status < 300;
const isBad = ({ status }: HttpAnswer): boolean => status >= 400 && status < 500 && !PASSING.has(status);

const executionOf = (key: string, body: object): Command => ({ method: 'POST', path: '/api/workflows/execute', body, key });
