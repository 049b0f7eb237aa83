import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { deriveUuid, SUBJECT_FEED, subjectOfQuery, workStreamOf, type Notice, type NoticeHandler } from '@taskmaster/contracts';
import { eventually, startBroker, type TestBroker } from '@taskmaster/testing';
import type { JetStreamManager, NatsConnection } from 'nats';
import { InMemoryLog } from './in-memory-log.js';
import { connectBroker, FeedPublisher, followFeed, NatsStrategy, WorkStream, type NatsStrategyOptions } from './index.js';

const CONSUMER = 'agent-coordinator_command';
let broker: TestBroker;
let connection: NatsConnection;
let manager: JetStreamManager;
let log: InMemoryLog;
let work: WorkStream;
let strategies: NatsStrategy[];

beforeEach(async () => {
  broker = await startBroker();
  connection = await connectBroker({ url: broker.url, name: 'relay' });
  manager = await connection.jetstreamManager({ timeout: 1_000 });
  log = new InMemoryLog();
  work = new WorkStream(connection);
  strategies = [];
  await work.open(log, log);
}, 60_000);
afterEach(async () => {
  await Promise.all(strategies.map((strategy) => strategy.close()));
  await work.close();
  await connection.close();
  await broker.stop();
});

const notice = (n: number): Omit<Notice, 'position'> => ({
  eventId: deriveUuid('event', String(n)) as Notice['eventId'],
  tenantId: 'default' as Notice['tenantId'],
  workflowId: `wf_${String(n)}` as Notice['workflowId'],
  stepId: 'a' as Notice['stepId'],
  attempt: 1,
  kind: 'command.run',
  input: {},
  correlationId: 'spec',
});

async function publish(count: number): Promise<void> {
  const after = await log.head();
  log.append(...Array.from({ length: count }, (_, index) => notice(after + index + 1)));
  await work.publish(log.read(after));
  await work.flush();
}

async function react(handler: NoticeHandler, options: Partial<NatsStrategyOptions> = {}): Promise<NatsStrategy> {
  const own = await connectBroker({ url: broker.url, name: 'reactor' });
  const strategy = new NatsStrategy({ connection: own, onPoison: () => Promise.reject(new Error('poison')), ...options });
  strategy.addHandler(CONSUMER, handler as never, true);
  strategy.listen(() => undefined);
  strategies.push(strategy);
  return strategy;
}

/** A handler that answers its last notice when it is released. */
function held(): { readonly seen: number[]; readonly handler: NoticeHandler; readonly release: () => void } {
  const seen: number[] = [];
  let answer: () => void = () => undefined;
  const handler: NoticeHandler = (one) => {
    seen.push(one.position);
    return new Promise((resolve) => (answer = () => resolve({ kind: 'answered' })));
  };
  return { seen, handler, release: () => answer() };
}

const unanswered = async (epoch = 1): Promise<number> => {
  const { num_pending: pending, num_ack_pending: open } = await manager.consumers.info(workStreamOf(epoch), CONSUMER);
  return pending + open;
};

describe('NatsStrategy', () => {
  it('acknowledges a message only when each of its notices is answered', async () => {
    const waiting = new Map<number, () => void>();
    await react((one) => new Promise((resolve) => waiting.set(one.position, () => resolve({ kind: 'answered' }))));
    await publish(3);
    const first = (await manager.streams.info(workStreamOf(1))).state.last_seq;
    await eventually(() => waiting.size === 3);
    waiting.get(1)?.();
    waiting.get(3)?.();
    // Once the next message is acknowledged, whatever was to be said of the first one has been said.
    await publish(1);
    await eventually(() => waiting.size === 4);
    waiting.get(4)?.();
    await eventually(async () => (await unanswered()) <= 1);
    const { ack_floor: acknowledged } = await manager.consumers.info(workStreamOf(1), CONSUMER);
    waiting.get(2)?.();
    expect(acknowledged.stream_seq).toBeLessThan(first);
    await eventually(async () => (await unanswered()) === 0);
  });

  it('keeps a notice that is told later open, and hands it in again without a second delivery', async () => {
    const seen: number[] = [];
    await react((_one, { deliveries }) => {
      seen.push(deliveries);
      return Promise.resolve(seen.length < 3 ? { kind: 'later', afterMs: 700 } : { kind: 'answered' });
    });
    await publish(1);
    await eventually(() => seen.length === 3);
    await eventually(async () => (await unanswered()) === 0);
    expect(seen).toEqual([1, 1, 1]);
  });

  it('gives a failing notice back with a delay, and hands a poisoned one over and acknowledges it', async () => {
    const poisoned: number[] = [];
    const deliveries = new Set<number>();
    await react(
      (_one, context) => {
        deliveries.add(context.deliveries);
        return Promise.reject(new Error('broken'));
      },
      { deliveriesMax: 2, onPoison: (one) => Promise.resolve(void poisoned.push(one.position)) },
    );
    await publish(1);
    await eventually(() => poisoned.length === 1);
    await eventually(async () => (await unanswered()) === 0);
    expect([...deliveries]).toEqual([1, 2]);
  });

  it('follows the epochs through a broker that is killed and loses its disk', async () => {
    const seen = new Set<number>();
    await react((one) => {
      seen.add(one.position);
      log.answer(one.position);
      return Promise.resolve({ kind: 'answered' });
    });
    await publish(5);
    await eventually(() => seen.size === 5);
    await broker.wipe();
    await eventually(() => work.open(log, log), { deadlineMs: 10_000 });
    await publish(5);
    await eventually(() => seen.size === 10, { deadlineMs: 10_000 });
    await eventually(async () => (await unanswered(2)) === 0);
  }, 30_000);

  it('begins work before its message comes, does it once, and acknowledges the message when it is answered', async () => {
    const { seen, handler, release } = held();
    const strategy = await react(handler);
    strategy.begin({ ...notice(1), position: 1 });
    strategy.begin({ ...notice(1), position: 1 });
    expect(seen).toEqual([1]);
    await publish(1);
    await eventually(async () => (await manager.consumers.info(workStreamOf(1), CONSUMER)).num_ack_pending === 1);
    release();
    await eventually(async () => (await unanswered()) === 0);
    expect(seen).toEqual([1]);
  });

  it('does not begin what has come already', async () => {
    const { seen, handler, release } = held();
    const strategy = await react(handler);
    await publish(1);
    await eventually(() => seen.length === 1);
    strategy.begin({ ...notice(1), position: 1 });
    release();
    await eventually(async () => (await unanswered()) === 0);
    expect(seen).toEqual([1]);
  });

  it('does again with its message what failed before it came', async () => {
    const seen: number[] = [];
    const strategy = await react((_one, { deliveries }) => {
      seen.push(deliveries);
      return seen.length <= 3 ? Promise.reject(new Error('broken')) : Promise.resolve({ kind: 'answered' });
    });
    strategy.begin({ ...notice(1), position: 1 });
    await publish(1);
    await eventually(async () => seen.length === 4 && (await unanswered()) === 0);
  });

  it('begins what was told ahead when there is a place for it, and takes messages again when there is one left', async () => {
    const { seen, handler, release } = held();
    const strategy = await react(handler, { maxConcurrent: 1 });
    await publish(1);
    await eventually(() => seen.length === 1);
    strategy.begin({ ...notice(8), position: 8 });
    strategy.begin({ ...notice(9), position: 9 });
    release();
    await eventually(async () => seen.length === 2 && (await unanswered()) === 0);
    await publish(1);
    release();
    await eventually(() => seen.length === 3);
    const at = performance.now();
    await eventually(async () => (await manager.consumers.info(workStreamOf(1), CONSUMER)).num_ack_pending === 1);
    // Asked for at once, and not at the next look of the watch.
    expect(performance.now() - at).toBeLessThan(200);
    release();
    await eventually(() => seen.length === 4);
    release();
    await eventually(async () => (await unanswered()) === 0);
  });

  it('begins nothing while it closes, forgets what waits for a place, and closes when what was begun is done', async () => {
    const { seen, handler, release } = held();
    const strategy = await react(handler, { maxConcurrent: 1 });
    strategy.begin({ ...notice(1), position: 1 });
    strategy.begin({ ...notice(2), position: 2 });
    strategy.begin({ ...notice(3), kind: 'agent.run', position: 3 });
    let isClosed = false;
    const closing = strategy.close().then(() => (isClosed = true));
    await new Promise((resolve) => setImmediate(resolve));
    strategy.begin({ ...notice(4), position: 4 });
    expect([seen, isClosed]).toEqual([[1], false]);
    release();
    await closing;
    expect(seen).toEqual([1]);
  });

  it('finishes what is in work when it closes, and gives back what waits', async () => {
    const { seen: started, handler, release } = held();
    const strategy = await react(handler, { maxConcurrent: 1 });
    await publish(1);
    await eventually(() => started.length === 1);
    await publish(1);
    const closing = strategy.close();
    release();
    await closing;
    expect(started).toEqual([1]);
    await eventually(async () => (await unanswered()) === 1);
  });

  it('answers requests, and says only a name when a handler fails', async () => {
    const own = await connectBroker({ url: broker.url, name: 'state' });
    const strategy = new NatsStrategy({ connection: own });
    strategy.addHandler(subjectOfQuery('ListAgents'), (() => Promise.resolve({ answer: 1 })) as never);
    strategy.addHandler(subjectOfQuery('GetCounts'), (() => Promise.reject(new TypeError('secret'))) as never);
    strategy.listen(() => undefined);
    strategies.push(strategy);
    await own.flush();
    expect((await connection.request(subjectOfQuery('ListAgents'), '{}')).json()).toEqual({ answer: 1 });
    expect((await connection.request(subjectOfQuery('GetCounts'), '{}')).json()).toEqual({ fault: 'TypeError' });
  });
});

describe('the feed', () => {
  it('is told in order while somebody wants it, and not before', async () => {
    const feed = new FeedPublisher(connection);
    const event = (position: number) =>
      ({
        position,
        stream: 's',
        version: 1,
        tenantId: 'default' as Notice['tenantId'],
        type: 'T',
        occurredAt: '',
        dataText: '{}',
      }) as const;
    const told: string[] = [];
    const listening = connection.subscribe(SUBJECT_FEED, { callback: (_error, message) => told.push(message.string()) });
    await connection.flush();
    feed.publish([event(1)]);
    await connection.flush();
    expect(told).toEqual([]);

    const seen: (readonly [number, number, number])[] = [];
    const leave = followFeed(connection, ({ first, last, events }) => seen.push([first, last, events.length]));
    let position = 1;
    await eventually(() => {
      feed.publish([event((position += 1)), event((position += 1))]);
      return seen.length > 0;
    });
    const [from = 0] = seen[0] ?? [];
    feed.publish([event(position + 1)]);
    await eventually(() => seen.at(-1)?.[0] === position + 1);
    expect(from).toBeGreaterThan(1);
    expect(seen[0]).toEqual([from, from + 1, 2]);
    leave();
    listening.unsubscribe();
  });
});
