import {
  newWorkflowId,
  workflowStream,
  type Command,
  type CommandAnswer,
  type CommandEnvelope,
  type CommandId,
  type StreamId,
  type TenantId,
} from '@taskmaster/contracts';
import { NatsCommandSender } from '@taskmaster/messaging';
import type { ClientRecord } from '@taskmaster/proof';
import type { SeededRandom } from '@taskmaster/testing';
import type { NatsConnection } from 'nats';
import type { Life } from './life.js';
import { EPOCH_MS, type VirtualTime } from './virtual-time.js';

/** One command that a person gives, under a key of its own. */
export interface Wish {
  readonly key: string;
  readonly tenantId: TenantId;
  readonly command: Command;
  /** The key of the request whose workflow this steers; its answer names the workflow. */
  readonly of?: string;
  /** When it is first sent. */
  readonly atMs: number;
  /** The key of a wish that must be answered before this one is sent. */
  readonly afterKey?: string;
  /** How often it is sent although it was answered. */
  readonly repeats: number;
}

/** A process that passes commands on: people come back to another one when theirs does not answer. */
export interface Gateway {
  readonly life: Life;
  readonly connection: NatsConnection;
  readonly sender: NatsCommandSender;
}

export const openGateway = (life: Life, connection: NatsConnection): Gateway => ({
  life,
  connection,
  sender: new NatsCommandSender(connection, life.timers),
});

const PATIENCE_MS = 4_000;
const AGAIN_MS = 300;

export interface ClientsOptions {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly gateways: () => readonly Gateway[];
  /** The command id of a wish: the same key is the same command. */
  readonly idOf: (wish: Wish) => CommandId;
  readonly note: (what: string) => void;
}

/** People: they ask until they are answered, some of them twice, and keep what they were told. */
export class Clients {
  private readonly kept = new Map<TenantId, ClientRecord[]>();
  private readonly answered = new Set<string>();
  /** The workflows that were requested, by key. */
  private readonly streams = new Map<string, StreamId>();
  private readonly wishes: readonly Wish[];

  constructor(
    private readonly options: ClientsOptions,
    wishes: readonly Wish[],
  ) {
    this.wishes = wishes;
    for (const wish of wishes) {
      options.time.after(wish.atMs, () => this.ask(wish, wish.repeats));
    }
  }

  /** What clients of that tenant were told. */
  recordsOf(tenantId: TenantId): readonly ClientRecord[] {
    return this.kept.get(tenantId) ?? [];
  }

  get tenants(): readonly TenantId[] {
    return [...this.kept.keys()];
  }

  /** The wishes that nobody has answered. */
  get unanswered(): readonly Wish[] {
    return this.wishes.filter(({ key }) => !this.answered.has(key));
  }

  private ask(wish: Wish, repeats: number): void {
    const { time, random, gateways, note, idOf } = this.options;
    let isOpen = true;
    const again = (after: number): void => {
      if (!isOpen) return;
      isOpen = false;
      time.after(after, () => this.ask(wish, repeats));
    };
    const there = gateways().filter(({ life }) => !life.isOver);
    const stream = this.streamOf(wish);
    const waits = wish.afterKey !== undefined && !this.answered.has(wish.afterKey);
    if (there.length === 0 || stream === undefined || waits) {
      again(AGAIN_MS);
      return;
    }
    // A gateway that dies says nothing.
    time.after(PATIENCE_MS * 1.5, () => again(0));
    const { sender } = random.pick(there);
    sender.send(envelopeOf(wish, idOf(wish), stream), { deadlineMs: PATIENCE_MS }).then(
      (answer) => {
        if (!isOpen) return;
        isOpen = false;
        note(`${wish.key}: ${textOf(answer)}`);
        if (this.keep(wish, stream, answer)) {
          if (repeats > 0) time.after(random.next() * 6_000, () => this.ask(wish, repeats - 1));
        } else time.after(AGAIN_MS, () => this.ask(wish, repeats));
      },
      () => again(AGAIN_MS * (1 + random.next())),
    );
  }

  /** What is sent to: a workflow that was requested, or the name of one that is to be, another one each time. */
  private streamOf({ of }: Wish): StreamId | undefined {
    if (of !== undefined) return this.streams.get(of);
    const { time } = this.options;
    return workflowStream(newWorkflowId(EPOCH_MS + time.now, bytesOfNumber(time.count)));
  }

  /** Whether the answer is final. */
  private keep(wish: Wish, stream: StreamId, answer: CommandAnswer): boolean {
    // A workflow that was refused has no name.
    const record = recordOf(wish.key, wish.of === undefined ? '' : stream, answer);
    if (record === undefined) return false;
    this.answered.add(wish.key);
    if (wish.of === undefined && record.kind === 'accepted') this.streams.set(wish.key, record.stream as StreamId);
    const known = this.kept.get(wish.tenantId);
    if (known === undefined) this.kept.set(wish.tenantId, [record]);
    else known.push(record);
    return true;
  }
}

const envelopeOf = ({ tenantId, command, key }: Wish, id: CommandId, stream: StreamId): CommandEnvelope => ({
  id,
  stream,
  tenantId,
  actor: { kind: 'user', id: 'person' },
  correlationId: key,
  command,
});

const bytesOfNumber = (value: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => Math.floor(value / 32 ** i) % 32);

/** What a client keeps; undefined for an answer that may still change. */
function recordOf(key: string, stream: string, answer: CommandAnswer): ClientRecord | undefined {
  switch (answer.outcome) {
    case 'accepted':
      return { kind: 'accepted', key, stream: answer.stream, version: answer.version, position: answer.position };
    case 'duplicate':
      return answer.first === null ? undefined : recordOf(key, stream, answer.first);
    case 'rejected':
      return { kind: 'refused', key, stream, code: answer.code };
    case 'noop':
      return { kind: 'accepted', key, stream, version: 0, position: 0 };
    case 'later':
    case 'held':
      return undefined;
  }
}

const textOf = (answer: CommandAnswer): string =>
  answer.outcome === 'accepted'
    ? `accepted at ${String(answer.position)}`
    : answer.outcome === 'rejected'
      ? `rejected ${answer.code}`
      : answer.outcome === 'duplicate'
        ? `duplicate of ${answer.first?.outcome ?? 'nothing'}`
        : answer.outcome;
