import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { JsonObject, StepDraft } from '@taskmaster/contracts';
import { Coordinated, DeedDriver, finished, writes, type Deed } from './coordinated.fixture.js';
import type { Coordinator } from './coordinator.js';
import { resume } from './create-coordinator.js';
import type { DriverSession, DriverTask } from './driver.js';
import { startOf } from './processes.js';
import { recoverSessions } from './recover.js';
import { Testbed } from './testbed.fixture.js';

const agentStep = (id: string): StepDraft => ({ id, kind: 'agent.run', title: `Do ${id}`, input: { instruction: `do ${id}` } });
const never: Deed = () => new Promise(() => undefined);

/** An agent that lives in another process: a later coordinator finds it again. */
class OutlivingDriver extends DeedDriver {
  constructor(
    deed: Deed,
    private readonly later: Deed,
  ) {
    super(deed);
  }

  async reattach(task: DriverTask, facts: JsonObject): Promise<DriverSession | null> {
    return facts['driver'] === 'deed'
      ? { outcome: Promise.resolve(this.later(task)), stop: () => Promise.resolve(), facts: { driver: 'deed' } }
      : null;
  }
}

describe('a coordinator that was killed', () => {
  let bed: Testbed;
  let world: Coordinated;
  beforeEach(async () => {
    bed = await Testbed.create({ 'readme.md': 'hello\n' });
    world = new Coordinated(bed);
    await world.register('ada');
  });
  afterEach(() => {
    bed.destroy();
  });

  const root = (): string => join(bed.root, 'place');
  const restart = async (driver: DeedDriver): Promise<Coordinator> => {
    const next = world.coordinator(driver, { root: root() });
    await recoverSessions(next, (held) => resume(next, held));
    return next;
  };
  /** Only then can a later coordinator know where the agent is. */
  const isWrittenDown = (c: Coordinator) => async (): Promise<boolean> =>
    (await c.sessions.list()).some(({ driver }) => driver !== undefined);
  const outputs = (id: string): readonly unknown[] =>
    world.state.eventsOf(id).flatMap((event) => (event.type === 'StepSucceeded' ? [event.data.stepId] : []));

  it('finds its agent again and delivers what it made', async () => {
    const driver = new OutlivingDriver(
      never,
      writes(() => ({ 'made.txt': 'made' })),
    );
    const first = world.coordinator(driver, { root: root() });
    const id = await world.request({ steps: [agentStep('a')] });
    await world.until('the agent works and is written down', isWrittenDown(first));
    world.kill(first);
    await restart(driver);
    await world.until('the end', () => world.ended(id));
    expect(await bed.show('main', 'made.txt')).toBe('made');
    expect(world.types(id)).not.toContain('StepFailed');
  });

  it('reports an attempt as lost when its agent is gone, saves its work, and another attempt does it', async () => {
    const driver = new DeedDriver((task) => {
      if (task.attempt.attempt > 1) return writes(() => ({ 'made.txt': 'made' }))(task);
      writes(() => ({ 'half.txt': 'half' }))(task) as unknown;
      return never(task);
    });
    const first = world.coordinator(driver, { root: root() });
    const id = await world.request({ steps: [agentStep('a')] });
    await world.until('the agent works', () => driver.tasks.length === 1);
    world.kill(first);
    await restart(driver);
    await world.until('the end', () => world.ended(id));
    const failures = world.state.eventsOf(id).flatMap((event) => (event.type === 'StepFailed' ? [event.data.error] : []));
    expect(failures).toMatchObject([{ lost: true }]);
    expect(await bed.show((await bed.refs('refs/tm/salvage/'))[0]!, 'half.txt')).toBe('half');
    expect(outputs(id)).toContain('a');
  });

  it('leaves a working agent alone when it is stopped properly, and the next one goes on with it', async () => {
    const driver = new OutlivingDriver(
      never,
      writes(() => ({ 'made.txt': 'made' })),
    );
    const first = world.coordinator(driver, { root: root() });
    const id = await world.request({ steps: [agentStep('a')] });
    await world.until('the agent works and is written down', isWrittenDown(first));
    world.kill(first);
    await first.held.drain(50);
    expect([driver.stopped, world.types(id).includes('StepFailed')]).toEqual([[], false]);
    await restart(driver);
    await world.until('the end', () => world.ended(id));
    expect(await bed.show('main', 'made.txt')).toBe('made');
  });

  it('cleans up after an attempt that has been settled without it', async () => {
    const driver = new DeedDriver(never);
    const first = world.coordinator(driver, { root: root() });
    const id = await world.request({ steps: [agentStep('a')] });
    await world.until('the agent works', () => driver.tasks.length === 1);
    const stepId = driver.tasks[0]!.attempt.stepId;
    first.held.drain(0).catch(() => undefined);
    await world.until('it is gone', () => first.held.size === 0);
    world.kill(first);
    const next = world.coordinator(new DeedDriver(never), { root: root(), listening: false });
    await world.client(id, { type: 'CancelWorkflow', data: { reason: 'enough' } });
    expect(await recoverSessions(next, (held) => resume(next, held))).toEqual({ resumed: 0, cleaned: 1 });
    expect(existsSync(driver.tasks[0]!.workspace)).toBe(false);
    expect(await next.sessions.read({ ...driver.tasks[0]!.attempt, stepId })).toBeUndefined();
  });
});

describe('a command step', () => {
  let bed: Testbed;
  let world: Coordinated;
  let c: Coordinator;
  beforeEach(async () => {
    bed = await Testbed.create({ 'readme.md': 'hello\n' });
    world = new Coordinated(bed);
    c = world.coordinator(new DeedDriver(() => finished()));
  });
  afterEach(() => {
    bed.destroy();
  });

  const run = async (input: JsonObject, change: Partial<StepDraft> = {}): Promise<readonly { type: string; data: unknown }[]> => {
    const id = await world.request(
      { steps: [{ id: 'a', kind: 'command.run', input, retry: { maxAttempts: 1 }, ...change }] },
      { profile: 'simple', repository: undefined as never },
    );
    await world.until('the step is settled', () => world.types(id).some((type) => type === 'StepSucceeded' || type === 'StepFailed'));
    return world.state.eventsOf(id).filter((event) => event.type.startsWith('Step'));
  };

  it('answers a noop with one command and without a start', async () => {
    const events = await run({ builtin: 'noop' });
    expect(events.map((event) => event.type)).toEqual(['StepReadied', 'StepSucceeded']);
  });

  it('runs a command without a shell, with a small environment and closed standard input', async () => {
    const script =
      "const input = require('fs').readFileSync(0, 'utf8'); console.log(JSON.stringify([process.argv.slice(1), Object.keys(process.env).sort(), input, process.cwd() !== process.env.HOME]))";
    const events = await run({ command: ['node', '-e', script, 'x;id', '$(id)'], env: { GIVEN: '1' } });
    const done = events.find((event) => event.type === 'StepSucceeded')?.data as { output: { outputTail: string } };
    const [args, names, input, apart] = JSON.parse(done.output.outputTail) as [string[], string[], string, boolean];
    expect(args).toEqual(['x;id', '$(id)']);
    expect(names).toEqual(['GIVEN', 'HOME', 'LC_ALL', 'PATH']);
    expect([input, apart]).toEqual(['', true]);
  });

  it('fails with the exit code and the end of the output', async () => {
    const events = await run({ command: ['sh', '-c', 'echo broken; exit 3'] });
    expect(events.at(-1)).toMatchObject({
      type: 'StepFailed',
      data: { error: { type: 'internal', detail: { exitCode: 3, outputTail: 'broken\n' } } },
    });
  });

  it('says so when there is no such program, and asks for no retry', async () => {
    const events = await run({ command: ['no-such-program-here'] }, { retry: { maxAttempts: 3 } });
    expect(events.at(-1)).toMatchObject({ type: 'StepFailed', data: { error: { type: 'dependency', retryable: false } } });
  });

  it('ends a command with everything it started when its time is up', async () => {
    const events = await run({ command: ['sh', '-c', 'sleep 60 & echo $!; wait'] }, { timeoutMs: 1000 });
    const failure = events.at(-1)?.data as { error: { type: string; detail: { outputTail: string } } };
    expect(failure.error.type).toBe('timeout');
    const child = Number(failure.error.detail.outputTail.trim());
    await world.until('the child is gone', () => startOf(child) === undefined);
  });

  it('works at the head of what the workflow has delivered', async () => {
    const id = await world.request(
      { steps: [{ id: 'a', kind: 'command.run', input: { command: ['cat', 'readme.md'] } }] },
      { profile: 'simple' },
    );
    await world.until('the step is settled', () => world.types(id).includes('StepSucceeded'));
    expect(world.state.eventsOf(id).find((event) => event.type === 'StepSucceeded')?.data).toMatchObject({
      output: { exitCode: 0, outputTail: 'hello\n' },
    });
    await world.until('nothing is held', () => c.held.size === 0);
  });
});
