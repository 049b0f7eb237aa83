import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { workStreamOf, type Notice, type QueryAsker } from '@taskmaster/contracts';
import { connectBroker, NatsStrategy, WorkStream, type EpochStore, type WorkSource } from '@taskmaster/messaging';
import { createLogger } from '@taskmaster/service-kit';
import { eventually, startBroker, type TestBroker } from '@taskmaster/testing';
import { readConfig } from './config.js';
import { Coordinated } from './coordinated.fixture.js';
import { createCoordinator, type RunningCoordinator } from './create-coordinator.js';
import { reactToCommandStep } from './run-command.reactor.js';
import { Testbed } from './testbed.fixture.js';

const CONSUMER = 'agent-coordinator_command';

let bed: Testbed;
let world: Coordinated;
let broker: TestBroker;
let connection: Awaited<ReturnType<typeof connectBroker>>;
let root: string;
let running: RunningCoordinator;
let strategy: NatsStrategy;

/** An answer that nobody can work with, every time. */
class BrokenAsker implements QueryAsker {
  ask(): Promise<never> {
    return Promise.reject(new TypeError('an answer of another shape'));
  }
}

beforeEach(async () => {
  bed = await Testbed.create({ 'readme.md': 'hello\n' });
  world = new Coordinated(bed);
  broker = await startBroker();
  connection = await connectBroker({ url: broker.url, name: 'spec' });
  root = await mkdtemp(join(tmpdir(), 'poison-'));
  const config = readConfig({ WORKSPACES_DIR: root, NATS_URL: broker.url });
  const logger = createLogger({ service: 'spec', level: 'silent' });
  running = await createCoordinator(config, { sender: world.state, asker: new BrokenAsker(), logger });
}, 60_000);

afterEach(async () => {
  await strategy.close();
  await running.drain();
  await running.release();
  await connection.close();
  await broker.stop();
  await rm(root, { recursive: true, force: true });
  bed.destroy();
});

/** A stream that holds one message with the notices. */
async function published(notices: readonly Notice[]): Promise<void> {
  let epoch = 0;
  const epochs: EpochStore = {
    current: () => Promise.resolve({ epoch, acknowledgedUpto: 0 }),
    bump: () => Promise.resolve((epoch += 1)),
    acknowledge: () => Promise.resolve(true),
  };
  const source: WorkSource = {
    head: () => Promise.resolve(0),
    eventAt: () => Promise.resolve(undefined),
    openWork: async function* () {
      yield await Promise.resolve([]);
    },
  };
  const stream = new WorkStream(connection);
  await stream.open(epochs, source);
  await stream.publish({ after: 0, upto: 1, notices });
  await stream.flush();
  await stream.close();
}

describe('a notice that cannot be done', () => {
  it('becomes a StepFailed in the log after its deliveries, and is delivered no more', async () => {
    const notices: Notice[] = [];
    world.state.onNotice((notice) => notices.push(notice));
    const id = await world.request(
      { steps: [{ id: 'a', kind: 'command.run', input: { command: ['true'] }, retry: { maxAttempts: 1 } }] },
      { profile: 'simple', repository: undefined as never },
    );
    await eventually(() => notices.length === 1, { what: 'the notice' });
    let tries = 0;
    strategy = new NatsStrategy({
      connection: await connectBroker({ url: broker.url, name: 'coordinator' }),
      deliveriesMax: 2,
      onPoison: running.failPoison,
      onFailure: () => (tries += 1),
    });
    strategy.addHandler(CONSUMER, ((notice: Notice) => reactToCommandStep(running.coordinator, notice)) as never, true);
    strategy.listen(() => undefined);
    await published(notices);
    await eventually(() => world.types(id).includes('StepFailed'), { what: 'the dead letter', deadlineMs: 20_000 });
    const failures = world.state.eventsOf(id).flatMap((event) => (event.type === 'StepFailed' ? [event.data] : []));
    expect(failures).toMatchObject([{ stepId: 'a', attempt: 1, error: { message: 'an answer of another shape', retryable: false } }]);
    expect(tries).toBeGreaterThan(2);
    expect(world.ended(id)).toBe(true);
    const manager = await connection.jetstreamManager({ timeout: 2_000 });
    await eventually(
      async () => {
        const { num_pending: pending, num_ack_pending: open } = await manager.consumers.info(workStreamOf(1), CONSUMER);
        return pending + open === 0;
      },
      { what: 'the acknowledgement', deadlineMs: 20_000 },
    );
  }, 60_000);
});
