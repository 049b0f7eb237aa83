import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CONSUMERS, workStreamOf } from '@taskmaster/contracts';
import { eventually, startBroker, type TestBroker } from '@taskmaster/testing';
import type { JetStreamManager, NatsConnection } from 'nats';
import { InMemoryLog } from './in-memory-log.js';
import { connectBroker, LogRegressed, TopologyDiffers, WorkStream, WorkStreamLost, type WorkStreamPoint } from './index.js';
import { ensureTopology, existingEpochs, STREAM_SETTINGS_DEFAULT } from './topology.js';
import { notice, notices, storedIn, type Stored } from './work-stream.fixture.js';

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

/** Invariant 11, and that nothing is missing. */
function expectWholeCover(found: readonly Stored[], head: number): void {
  let covered = 0;
  for (const { after, upto } of found) {
    expect(after).toBe(covered);
    expect(upto).toBeGreaterThanOrEqual(covered);
    covered = upto;
  }
  expect(covered).toBe(head);
  expect(new Set(found.flatMap(({ positions }) => positions)).size).toBe(head);
}

async function publishRest(work: WorkStream, after: number): Promise<void> {
  await work.publish(log.read(after));
  await work.flush();
}

describe('WorkStream', () => {
  it('starts the first epoch with a marker and publishes in log order, one message per kind group of at most 16 notices', async () => {
    const work = new WorkStream(connection);
    expect(await work.open(log, log)).toEqual({ epoch: 1, resumeAfter: 0, redriven: 'stream-missing' });
    log.append(...notices(1, 20), ...notices(21, 2, 'agent.run'));
    await publishRest(work, 0);
    const found = await storedIn(manager, 1);
    expect(found.map(({ upto, positions }) => [upto, positions.length])).toEqual([
      [0, 0],
      [0, 16],
      [0, 4],
      [22, 2],
    ]);
    expectWholeCover(found, 22);
    await work.close();
  });

  it('splits a read into messages of at most 512 KiB', async () => {
    const work = new WorkStream(connection);
    await work.open(log, log);
    log.append(...notices(1, 16).map((one) => ({ ...one, input: { text: 'x'.repeat(60_000) } })));
    await publishRest(work, 0);
    expect((await storedIn(manager, 1)).map(({ positions }) => positions.length)).toEqual([0, 8, 8]);
    await work.close();
  });

  it('resumes after the last message, also when the leader died between the parts of a read', async () => {
    log.append(...notices(1, 20));
    const dies = new Error('killed');
    let parts = 0;
    const first = new WorkStream(connection, STREAM_SETTINGS_DEFAULT, (point: WorkStreamPoint) =>
      point === 'after-part' && (parts += 1) === 1 ? Promise.reject(dies) : Promise.resolve(),
    );
    const { resumeAfter } = await first.open(log, log);
    expect(resumeAfter).toBe(20);
    log.append(...notices(21, 40));
    await expect(first.publish(log.read(20))).rejects.toBe(dies);
    await first.flush();
    await first.close();
    const second = new WorkStream(connection);
    expect(await second.open(log, log)).toEqual({ epoch: 1, resumeAfter: 20 });
    await publishRest(second, 20);
    expectWholeCover(await storedIn(manager, 1), 60);
    await second.close();
  });

  it('refuses a leader that wakes up after another took over, whatever it still wants to say', async () => {
    let release: () => void = () => undefined;
    let isPaused = false;
    const zombie = new WorkStream(connection, STREAM_SETTINGS_DEFAULT, (point) => {
      if (point !== 'before-publish') return Promise.resolve();
      isPaused = true;
      return new Promise((resolve) => (release = resolve));
    });
    log.append(notice(1));
    const earlier = new WorkStream(connection);
    await earlier.open(log, log);
    await earlier.close();
    // It has said nothing yet that its next message could name.
    await zombie.open(log, log);
    log.append(...notices(2, 2));
    const lastWords = zombie.publish(log.read(1)).then(() => zombie.flush());
    await eventually(() => isPaused);
    const leader = new WorkStream(connection);
    expect(await leader.open(log, log)).toMatchObject({ epoch: 1, resumeAfter: 1 });
    await leader.publish(log.read(1, 1));
    await leader.flush();
    release();
    await expect(lastWords).rejects.toBeInstanceOf(WorkStreamLost);
    await leader.publish(log.read(2));
    await leader.flush();
    const found = await storedIn(manager, 1);
    expect(found.at(-1)).toEqual({ after: 2, upto: 3, positions: [3] });
    expect(found.flatMap(({ positions }) => positions)).toEqual([1, 2, 3]);
    await leader.close();
  });

  it('does not take a log that grew while it was looking for one that went backwards', async () => {
    const other = new WorkStream(connection);
    await other.open(log, log);
    log.append(...notices(1, 2));
    await publishRest(other, 0);
    let isFirst = true;
    const head = async (): Promise<number> => {
      const seen = await log.head();
      // A leader that has not heard yet that it is replaced publishes what was committed since.
      if (isFirst) {
        isFirst = false;
        log.append(notice(3));
        await publishRest(other, 2);
      }
      return seen;
    };
    const work = new WorkStream(connection);
    expect(await work.open(log, { head, eventAt: (position) => log.eventAt(position), openWork: () => log.openWork() })).toEqual({
      epoch: 1,
      resumeAfter: 3,
    });
    await other.close();
    await work.close();
  });

  it('refuses everything a woken leader sends ahead of its answers, also what would fit the sequence by chance', async () => {
    let release: () => void = () => undefined;
    let isPaused = false;
    const zombie = new WorkStream(connection, STREAM_SETTINGS_DEFAULT, (point) => {
      if (point !== 'before-publish' || isPaused) return Promise.resolve();
      isPaused = true;
      return new Promise((resolve) => (release = resolve));
    });
    log.append(notice(1));
    await zombie.open(log, log);
    log.append(...notices(2, 40));
    const lastWords = zombie.publish(log.read(1)).then(() => zombie.flush());
    await eventually(() => isPaused);
    const leader = new WorkStream(connection);
    await leader.open(log, log);
    // One message: now the second that the zombie sends names the sequence that the stream has.
    await leader.publish(log.read(1, 16));
    await leader.flush();
    release();
    await expect(lastWords).rejects.toBeInstanceOf(WorkStreamLost);
    await leader.publish(log.read(17));
    await leader.flush();
    const found = await storedIn(manager, 1);
    expect(found.map(({ after, upto }) => [after, upto])).toEqual([
      [0, 0],
      [0, 1],
      [1, 17],
      [17, 17],
      [17, 41],
    ]);
    await leader.close();
  });

  it('says on the idle check that what was sent last was refused, when nothing more is to be sent', async () => {
    const late = new WorkStream(connection);
    log.append(notice(1));
    await late.open(log, log);
    const other = new WorkStream(connection);
    await other.open(log, log);
    log.append(notice(2));
    await other.publish(log.read(1));
    await other.flush();
    await late.publish(log.read(1));
    await expect(late.flush()).rejects.toBeInstanceOf(WorkStreamLost);
    await expect(late.check()).rejects.toBeInstanceOf(WorkStreamLost);
    await other.close();
  });

  it('starts a new epoch with all open work when the disk is wiped, and says so on the idle check', async () => {
    const work = new WorkStream(connection);
    await work.open(log, log);
    log.append(...notices(1, 10));
    await publishRest(work, 0);
    for (let position = 1; position <= 4; position += 1) log.answer(position);
    await broker.wipe();
    await eventually(() =>
      work.check().then(
        () => false,
        (error: unknown) => error instanceof WorkStreamLost && error.reason === 'stream-missing',
      ),
    );
    expect(await work.open(log, log)).toEqual({ epoch: 2, resumeAfter: 10, redriven: 'stream-missing' });
    const found = await storedIn(manager, 2);
    expect(found.flatMap(({ positions }) => positions)).toEqual([5, 6, 7, 8, 9, 10]);
    expect(found.at(-1)).toEqual({ after: 0, upto: 10, positions: [] });
    expect(await existingEpochs(manager)).toEqual([2]);
    await work.close();
  }, 20_000);

  it('starts a new epoch when the tail of the stream is lost', async () => {
    const work = new WorkStream(connection);
    await work.open(log, log);
    log.append(...notices(1, 2));
    await publishRest(work, 0);
    await work.close();
    await log.acknowledge(1, 2);
    // The same stream as an old copy of the disk has it: everything after the marker is gone.
    await manager.streams.delete(workStreamOf(1));
    const old = new WorkStream(connection);
    await ensureTopology(manager, 1, STREAM_SETTINGS_DEFAULT);
    expect(await old.open(log, log)).toEqual({ epoch: 2, resumeAfter: 2, redriven: 'tail-lost' });
    await old.close();
  });

  it('starts a new epoch when a message in the middle is lost', async () => {
    const work = new WorkStream(connection);
    await work.open(log, log);
    log.append(...notices(1, 3));
    for (let position = 0; position < 3; position += 1) await work.publish(log.read(position, 1));
    await work.flush();
    await work.close();
    await manager.streams.deleteMessage(workStreamOf(1), 3);
    expect(await work.open(log, log)).toMatchObject({ epoch: 2, redriven: 'hole' });
    await work.close();
  });

  it('drives open work again when an epoch was begun but its marker never came', async () => {
    log.append(...notices(1, 5));
    const dies = new Error('killed');
    const first = new WorkStream(connection, STREAM_SETTINGS_DEFAULT, (point) =>
      point === 'work-redriven' ? Promise.reject(dies) : Promise.resolve(),
    );
    await expect(first.open(log, log)).rejects.toBe(dies);
    const second = new WorkStream(connection);
    // What the first one sent before it died may still be on its way; the fence refuses whoever did not count on it, who then opens again.
    expect(await eventually(() => second.open(log, log))).toEqual({ epoch: 2, resumeAfter: 5, redriven: 'no-marker' });
    expectWholeCover(await storedIn(manager, 2), 5);
    await second.close();
  });

  it('stops when the log went backwards', async () => {
    const work = new WorkStream(connection);
    await work.open(log, log);
    log.append(...notices(1, 5));
    await publishRest(work, 0);
    await work.close();
    log.truncate(3);
    await expect(new WorkStream(connection).open(log, log)).rejects.toBeInstanceOf(LogRegressed);
  });

  it('stops when the log went backwards and has grown past its former end, which a message closed', () => stopsWhenGrown(false));
  it('stops when the log went backwards and has grown past its former end, which a marker closed', () => stopsWhenGrown(true));

  async function stopsWhenGrown(isMarker: boolean): Promise<void> {
    const work = new WorkStream(connection);
    if (!isMarker) await work.open(log, log);
    log.append(...notices(1, 5));
    if (isMarker) await work.open(log, log);
    else await publishRest(work, 0);
    await work.close();
    const again = new WorkStream(connection);
    expect(await again.open(log, log)).toEqual({ epoch: 1, resumeAfter: 5 });
    await again.close();
    log.truncate(3);
    log.append(...notices(11, 9));
    await expect(new WorkStream(connection).open(log, log)).rejects.toBeInstanceOf(LogRegressed);
  }

  it('loses nothing when the broker is killed with publishes in flight', async () => {
    const work = new WorkStream(connection);
    let { resumeAfter } = await work.open(log, log);
    log.append(...notices(1, 3_000));
    const publishing = (async () => {
      while (resumeAfter < 3_000) {
        try {
          for (let after = resumeAfter; after < 3_000; after += 1) await work.publish(log.read(after, 1));
          await work.flush();
          resumeAfter = 3_000;
        } catch (error) {
          if (!(error instanceof WorkStreamLost)) throw error;
          resumeAfter = (await eventually(async () => (await work.open(log, log)).resumeAfter + 1, { deadlineMs: 15_000 })) - 1;
        }
      }
    })();
    await eventually(() => work.acknowledgedUpto > 10);
    await broker.kill9();
    await broker.restart();
    await publishing;
    const { epoch } = await log.current();
    await eventually(() => manager.streams.info(workStreamOf(epoch)), { deadlineMs: 15_000 });
    expectWholeCover(await storedIn(manager, epoch), 3_000);
    await work.close();
  }, 30_000);

  it('follows a log without notices with a marker, and purges all but the last message', async () => {
    const work = new WorkStream(connection);
    await work.open(log, log);
    log.append(...notices(1, 1));
    await work.publish(log.read(0));
    log.append(...notices(2, 2, 'human.approve'));
    await work.publish(log.read(1));
    await eventually(async () => {
      await work.check();
      await work.flush();
      return work.acknowledgedUpto === 3;
    });
    const stream = workStreamOf(1);
    // Only what a service reads is answered: nobody reads markers.
    const consumer = await connection.jetstream().consumers.get(stream, 'agent-coordinator_command');
    await (await consumer.next())?.ackAck();
    await work.purge();
    expect((await manager.streams.info(stream)).state).toMatchObject({ messages: 1, first_seq: 3, last_seq: 3 });
    await work.close();
    expect(await work.open(log, log)).toEqual({ epoch: 1, resumeAfter: 3 });
    await work.close();
  });
});

describe('ensureTopology', () => {
  it('gives every consumer explicit limits in the right unit, and refuses a stream with other limits', async () => {
    await ensureTopology(manager, 7, STREAM_SETTINGS_DEFAULT);
    const { config } = await manager.consumers.info(workStreamOf(7), CONSUMERS[0].name);
    expect(config).toMatchObject({ ack_wait: 500_000_000, max_deliver: -1, max_ack_pending: 2048, ack_policy: 'explicit' });
    await expect(ensureTopology(manager, 7, { ...STREAM_SETTINGS_DEFAULT, bytesMax: 1_000_000 })).rejects.toThrow(TopologyDiffers);
  });

  it('gives a consumer of an earlier version the patience of this one, and keeps what it had acknowledged', async () => {
    await ensureTopology(manager, 8, STREAM_SETTINGS_DEFAULT);
    const [{ name }] = CONSUMERS;
    const { config } = await manager.consumers.info(workStreamOf(8), name);
    await manager.consumers.update(workStreamOf(8), name, { ...config, ack_wait: 1_000_000_000 });
    const before = await manager.consumers.info(workStreamOf(8), name);
    expect(before.config.ack_wait).toBe(1_000_000_000);
    await ensureTopology(manager, 8, STREAM_SETTINGS_DEFAULT);
    const after = await manager.consumers.info(workStreamOf(8), name);
    expect(after.config).toEqual({ ...config, ack_wait: 500_000_000 });
    expect([after.created, after.ack_floor]).toEqual([before.created, before.ack_floor]);
  });
});
