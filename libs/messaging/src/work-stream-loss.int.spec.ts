import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { subjectOfWork, workStreamOf, type NoticeMessage } from '@taskmaster/contracts';
import { eventually, runSubdirectory, startBroker, type TestBroker } from '@taskmaster/testing';
import type { JetStreamManager, NatsConnection } from 'nats';
import { FencedPublisher } from './fenced-publisher.js';
import { InMemoryLog } from './in-memory-log.js';
import { connectBroker, LogRegressed, WorkStream, WorkStreamLost, type EpochStore } from './index.js';
import { MARKER } from './notice-packing.js';
import { ensureTopology, existingEpochs, STREAM_SETTINGS_DEFAULT } from './topology.js';
import { notice, notices, storedIn } from './work-stream.fixture.js';

let broker: TestBroker;
let connection: NatsConnection;
let manager: JetStreamManager;
let log: InMemoryLog;

beforeEach(async () => {
  broker = await startBroker();
  connection = await connectBroker({ url: broker.url, name: 'relay' });
  manager = await connection.jetstreamManager({ timeout: 1_000 });
  log = new InMemoryLog();
}, 60_000);
afterEach(async () => {
  await connection.close();
  await broker.stop();
});

/** One message for each position, so that a position has a sequence of its own. */
async function publishEach(work: WorkStream, after: number): Promise<void> {
  const head = await log.head();
  for (let position = after; position < head; position += 1) await work.publish(log.read(position, 1));
  await work.flush();
}

const positionsIn = async (epoch: number): Promise<readonly number[]> =>
  (await storedIn(manager, epoch)).flatMap(({ positions }) => positions);
const positions = (from: number, count: number): readonly number[] => Array.from({ length: count }, (_, i) => i + from);
const lastSequence = async (epoch: number): Promise<number> => (await manager.streams.info(workStreamOf(epoch))).state.last_seq;
const reachable = (): Promise<unknown> => eventually(() => manager.getAccountInfo(), { deadlineMs: 15_000, what: 'JetStream' });

const COMMAND_CONSUMER = 'agent-coordinator_command';

/** Takes notices until there were so many and answers them. @returns their positions, in the order they came */
async function answerNotices(epoch: number, count: number): Promise<readonly number[]> {
  const consumer = await connection.jetstream().consumers.get(workStreamOf(epoch), COMMAND_CONSUMER);
  const answered: number[] = [];
  while (answered.length < count) {
    const message = await consumer.next({ expires: 5_000 });
    if (message === null) throw new Error(`no message after the positions ${answered.join(', ')}`);
    answered.push(...message.json<NoticeMessage>().notices.map(({ position }) => position));
    await message.ackAck();
  }
  return answered;
}

/** Copies a stream's messages from the disk. @returns what starts a broker that ended with that copy instead of what it wrote since */
async function backup(epoch: number): Promise<() => Promise<void>> {
  const messages = join(broker.store, 'jetstream', '$G', 'streams', workStreamOf(epoch), 'msgs');
  const copy = join(await runSubdirectory('stream-backup'), 'msgs');
  await broker.kill9();
  await cp(messages, copy, { recursive: true });
  await broker.restart();
  await reachable();
  return async () => {
    await rm(messages, { recursive: true });
    await cp(copy, messages, { recursive: true });
    await broker.restart();
    await reachable();
  };
}

/**
 * Publishes and answers twenty notices, then gives the stream back only the first five.
 * @returns whether a consumer is ahead of it now: newer servers set it back themselves when they start
 */
async function loseTail(epochs: EpochStore): Promise<boolean> {
  const work = new WorkStream(connection);
  await work.open(epochs, log);
  log.append(...notices(1, 5));
  await publishEach(work, 0);
  const rollBack = await backup(1);
  expect(await eventually(() => work.open(epochs, log))).toEqual({ epoch: 1, resumeAfter: 5 });
  log.append(...notices(6, 15));
  await publishEach(work, 5);
  await work.close();
  await answerNotices(1, 20);
  // Stopped in order, so that the consumer's state is on the disk whose messages are then replaced by older ones.
  await broker.stop();
  await rollBack();
  const isAhead = (await manager.consumers.info(workStreamOf(1), COMMAND_CONSUMER)).delivered.stream_seq > (await lastSequence(1));
  if (connection.info?.version.startsWith('2.9.') === true) expect(isAhead).toBe(true);
  return isAhead;
}

describe('a zombie', () => {
  it('is refused by a wiped and refilled stream that has reached exactly the sequence it expects', async () => {
    let release: () => void = () => undefined;
    let isHeld = false;
    const zombie = new WorkStream(connection, STREAM_SETTINGS_DEFAULT, async (point) => {
      if (point !== 'before-publish' || (await log.head()) < 4) return;
      isHeld = true;
      await new Promise<void>((resolve) => (release = resolve));
    });
    const earlier = new WorkStream(connection);
    await earlier.open(log, log);
    log.append(...notices(1, 3));
    await publishEach(earlier, 0);
    await earlier.close();
    // It has said nothing yet that its next message could name.
    await zombie.open(log, log);
    const expected = await lastSequence(1);
    log.append(notice(4));
    const lastWords = zombie.publish(log.read(3)).then(() => zombie.flush());
    await eventually(() => isHeld);
    await broker.wipe();
    await reachable();
    const leader = new WorkStream(connection);
    expect(await leader.open(log, log)).toMatchObject({ epoch: 2, resumeAfter: 4 });
    log.append(...notices(5, 2));
    await publishEach(leader, 4);
    expect(await lastSequence(2)).toBe(expected);
    release();
    await expect(lastWords).rejects.toBeInstanceOf(WorkStreamLost);
    expect(await positionsIn(2)).toEqual([1, 2, 3, 4, 5, 6]);
    log.append(notice(7));
    await publishEach(leader, 6);
    expect(await positionsIn(2)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    await leader.close();
    await zombie.close();
  }, 30_000);
});

describe('two publishers', () => {
  it('cannot close the beginning of an epoch with a marker while a part of it is missing', async () => {
    log.append(...notices(1, 5));
    let isLate = false;
    // Another publisher's message comes first, after this one has looked at the stream.
    const work = new WorkStream(connection, STREAM_SETTINGS_DEFAULT, async (point) => {
      if (point !== 'stream-created' || isLate) return;
      isLate = true;
      await connection.jetstream().publish(subjectOfWork('command'), '{"notices":[]}');
    });
    await expect(work.open(log, log)).rejects.toBeInstanceOf(WorkStreamLost);
    await eventually(async () => (await lastSequence(1)) >= 1);
    expect((await storedIn(manager, 1)).filter(({ upto }) => upto > 0)).toEqual([]);
    await work.close();
  });
});

describe('an answer that never came', () => {
  it('is noticed by the idle check, also when nothing else is to be published and the stream looks as it should', async () => {
    const work = new WorkStream(connection);
    await work.open(log, log);
    log.append(...notices(1, 1));
    await broker.kill9();
    await work.publish(log.read(0));
    await expect(work.flush()).rejects.toBeInstanceOf(WorkStreamLost);
    await broker.restart();
    await reachable();
    await expect(work.check()).rejects.toBeInstanceOf(WorkStreamLost);
    await work.close();
  }, 30_000);
});

describe('a publisher', () => {
  it('is refused when another one refilled a stream that was rolled back to exactly the sequence it ended at', async () => {
    await ensureTopology(manager, 1, STREAM_SETTINGS_DEFAULT);
    const start = { epoch: 1, sequence: 1, upto: 0, uptoEvent: '' };
    const publisherAt = (sequence: number): FencedPublisher => new FencedPublisher(connection, { ...start, sequence }, () => undefined);
    const first = publisherAt(0);
    await first.publish(MARKER, 1);
    await first.flush();
    first.close();
    const rollBack = await backup(1);
    const leader = publisherAt(1);
    await leader.publish(MARKER, 2);
    await leader.flush();
    await broker.kill9();
    await rollBack();
    const zombie = publisherAt(1);
    await zombie.publish(MARKER, 3);
    await zombie.flush();
    expect(await lastSequence(1)).toBe(2);
    await leader.publish(MARKER, 4);
    await expect(leader.flush()).rejects.toBeInstanceOf(WorkStreamLost);
    expect(await lastSequence(1)).toBe(2);
    zombie.close();
  }, 60_000);

  it('stops when another epoch is in force, and whoever leads opens the stream again', async () => {
    const work = new WorkStream(connection);
    await work.open(log, log);
    await log.bump(1);
    log.append(notice(1));
    await work.publish(log.read(0));
    await eventually(
      () =>
        work.check().then(
          () => false,
          (error: unknown) => error instanceof WorkStreamLost,
        ),
      { deadlineMs: 10_000 },
    );
    expect(await work.open(log, log)).toMatchObject({ epoch: 3, redriven: 'stream-missing' });
    expect(await positionsIn(3)).toEqual([1]);
    await work.close();
  }, 30_000);
});

describe('a stream that lost something', () => {
  it('gets a new epoch when a consumer is ahead of it, because that one would pass over what is published next', async () => {
    const isAhead = await loseTail(log);
    await log.acknowledge(1, 20);
    const next = new WorkStream(connection);
    expect(await next.open(log, log)).toEqual({ epoch: 2, resumeAfter: 20, redriven: isAhead ? 'consumer-ahead' : 'tail-lost' });
    expect(await answerNotices(2, 20)).toEqual(positions(1, 20));
    await next.close();
  }, 60_000);

  it('passes over nothing either when the server set such a consumer back and the evidence of the loss was never written down', async () => {
    const epochs: EpochStore = {
      current: () => log.current(),
      bump: (from) => log.bump(from),
      acknowledge: () => Promise.resolve(true),
    };
    const isAhead = await loseTail(epochs);
    const next = new WorkStream(connection);
    const opened = await next.open(epochs, log);
    expect(opened).toEqual(isAhead ? { epoch: 2, resumeAfter: 20, redriven: 'consumer-ahead' } : { epoch: 1, resumeAfter: 5 });
    await publishEach(next, opened.resumeAfter);
    const expected = isAhead ? positions(1, 20) : positions(6, 15);
    expect(await answerNotices(opened.epoch, expected.length)).toEqual(expected);
    await next.close();
  }, 60_000);

  it('gets a new epoch when its marker never came, because a late answer to what stood there before would be one to what stands there now', async () => {
    log.append(...notices(1, 5));
    const dies = new Error('killed');
    let rollBack: () => Promise<void> = () => Promise.resolve();
    const first = new WorkStream(connection, STREAM_SETTINGS_DEFAULT, async (point) => {
      if (point === 'stream-created') rollBack = await backup(1);
      if (point === 'work-redriven') throw dies;
    });
    await expect(first.open(log, log)).rejects.toBe(dies);
    await eventually(async () => (await lastSequence(1)) === 1);
    const before = await connection.jetstream().consumers.get(workStreamOf(1), COMMAND_CONSUMER);
    const held = await before.next({ expires: 5_000 });
    log.answer(1);
    await broker.kill9();
    await rm(join(broker.store, 'jetstream', '$G', 'streams', workStreamOf(1), 'obs'), { recursive: true });
    await rollBack();
    const work = new WorkStream(connection);
    const { epoch, redriven } = await eventually(() => work.open(log, log));
    expect(redriven).toBe('no-marker');
    const now = await connection.jetstream().consumers.get(workStreamOf(epoch), COMMAND_CONSUMER);
    const taken = await now.next({ expires: 5_000 });
    expect(taken?.json<NoticeMessage>().notices.map(({ position }) => position)).toEqual(positions(2, 4));
    // Whoever took it dies; whoever held the other one answers late.
    held?.ack();
    await connection.flush();
    expect(await answerNotices(epoch, 4)).toEqual(positions(2, 4));
    await work.close();
  }, 60_000);

  it('gets a new epoch when the marker that closed its beginning was purged', async () => {
    log.append(...notices(1, 4));
    const work = new WorkStream(connection);
    await work.open(log, log);
    log.answer(1);
    await work.close();
    await manager.streams.purge(workStreamOf(1));
    expect(await work.open(log, log)).toEqual({ epoch: 2, resumeAfter: 4, redriven: 'last-message-missing' });
    expect(await positionsIn(2)).toEqual([2, 3, 4]);
    await work.close();
  });
});

describe('a log that went backwards', () => {
  it('is told by a stream of an epoch that it does not know, which is left as it is', async () => {
    await ensureTopology(manager, 3, STREAM_SETTINGS_DEFAULT);
    for (let start = 1; start <= 4; start += 1)
      await expect(new WorkStream(connection).open(log, log)).rejects.toBeInstanceOf(LogRegressed);
    expect(await existingEpochs(manager)).toEqual([3]);
    expect(await log.current()).toEqual({ epoch: 0, acknowledgedUpto: 0 });
  });
});
