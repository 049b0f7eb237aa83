import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { StepDraft } from '@taskmaster/contracts';
import { Coordinated, DeedDriver, finished, writes } from './coordinated.fixture.js';
import { Testbed } from './testbed.fixture.js';

const REPOSITORY = {
  'package.json': JSON.stringify({ name: 'sample', type: 'module', scripts: { test: 'node --test' } }),
  'src/a.js': 'export const a = 1;\n',
  'test/a.test.js':
    "import test from 'node:test'; import assert from 'node:assert'; import { a } from '../src/a.js'; test('a', () => assert.equal(a, 1));\n",
};
const agentStep = (id: string, ...dependsOn: readonly string[]): StepDraft => ({
  id,
  kind: 'agent.run',
  title: `Do ${id}`,
  input: { instruction: `do ${id}` },
  dependsOn,
});
const perStep = writes((task) => ({ [`src/step-${task.attempt.stepId}.js`]: 'export {};\n' }));

describe('a workflow whose steps are done by agents', () => {
  let bed: Testbed;
  let world: Coordinated;
  beforeEach(async () => {
    bed = await Testbed.create(REPOSITORY);
    world = new Coordinated(bed);
    await world.register('ada');
  });
  afterEach(() => {
    bed.destroy();
  });

  it('goes from request to merge through six agent steps, with every notice delivered twice and at most twelve git processes a step', async () => {
    const driver = new DeedDriver(perStep);
    const c = world.coordinator(driver);
    const startedMs = performance.now();
    const workflowId = await world.request({
      steps: [
        agentStep('a'),
        agentStep('b', 'a'),
        agentStep('c', 'a'),
        agentStep('d', 'a'),
        agentStep('e', 'b', 'c', 'd'),
        agentStep('f', 'e'),
      ],
    });
    await world.until('the end', () => world.ended(workflowId));
    const tookMs = performance.now() - startedMs;
    expect(world.types(workflowId)).toContain('PullRequestMerged');
    expect(driver.tasks.length).toBe(6);
    for (const step of ['a', 'b', 'c', 'd', 'e', 'f']) expect(await bed.show('main', `src/step-${step}.js`)).toBe('export {};');
    expect(world.faults).toEqual([]);
    expect(c.desk.git.spent.processes).toBeLessThanOrEqual(72);
    expect(tookMs).toBeLessThan(15_000);
    await world.until('the sessions are tidied away', () => c.held.size === 0);
    expect(await bed.refs('refs/heads/')).toEqual(['refs/heads/main']);
    process.stderr.write(
      `request to merge: ${String(Math.round(tookMs))} ms, ${String(c.desk.git.spent.processes)} git processes, ${String(Math.round(c.desk.git.spent.ms))} ms in git\n`,
    );
  });

  it('starts a dependent step from what its dependency delivered', async () => {
    const seen: string[] = [];
    world.coordinator(
      new DeedDriver((task) => {
        if (task.attempt.stepId === 'b') seen.push(...readdirSync(join(task.workspace, 'src')));
        return perStep(task);
      }),
    );
    const workflowId = await world.request({ steps: [agentStep('a'), agentStep('b', 'a')] });
    await world.until('the end', () => world.ended(workflowId));
    expect(seen).toEqual(['a.js', 'step-a.js']);
  });

  it('lets two coordinators share a workflow without doing anything twice', async () => {
    const drivers = [new DeedDriver(perStep), new DeedDriver(perStep)];
    for (const driver of drivers) world.coordinator(driver);
    const workflowId = await world.request({ steps: ['a', 'b', 'c', 'd'].map((id) => agentStep(id)) });
    await world.until('the end', () => world.ended(workflowId));
    expect(world.types(workflowId)).toContain('PullRequestMerged');
    expect(drivers.flatMap((driver) => driver.tasks.map((task) => task.attempt.stepId)).sort()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('does not believe an agent that changed nothing and gives the step to another one', async () => {
    await world.register('bob');
    world.coordinator(new DeedDriver((task) => (task.agent.id === 'ada' ? finished('all done, trust me') : perStep(task))));
    const workflowId = await world.request({ steps: [agentStep('a')] });
    await world.until('the end', () => world.ended(workflowId));
    const failures = world.state.eventsOf(workflowId).flatMap((event) => (event.type === 'StepFailed' ? [event.data.error] : []));
    expect(failures.every((error) => error.type === 'agent' && error.message.startsWith('no change'))).toBe(true);
    expect(world.types(workflowId)).toContain('PullRequestMerged');
  });

  it('makes a conflict a failed attempt that names the files, keeps the work, and succeeds from the new base', async () => {
    let arrived = 0;
    let release: () => void = () => undefined;
    const both = new Promise<void>((resolve) => {
      release = resolve;
    });
    world.coordinator(
      new DeedDriver(async (task) => {
        if (task.attempt.attempt === 1) {
          arrived += 1;
          if (arrived === 2) release();
          await both;
        }
        const name = task.attempt.attempt === 1 ? 'same' : 'again';
        return writes(() => ({ [`src/${name}.js`]: `export const by = '${task.attempt.stepId}';\n` }))(task);
      }),
    );
    const workflowId = await world.request({ steps: [agentStep('a'), agentStep('b')] });
    await world.until('the end', () => world.ended(workflowId));
    const failures = world.state.eventsOf(workflowId).flatMap((event) => (event.type === 'StepFailed' ? [event.data] : []));
    expect(failures).toMatchObject([{ error: { type: 'dependency', detail: { files: ['src/same.js'] } } }]);
    expect(world.types(workflowId)).toContain('PullRequestMerged');
    const saved = await bed.refs('refs/tm/salvage/');
    expect(saved.length).toBe(1);
    expect(await bed.show(saved[0]!, 'src/same.js')).toContain(String(failures[0]?.stepId));
  });

  it('repairs what validation found and merges after the second cycle', async () => {
    world.coordinator(
      new DeedDriver(
        writes((task) =>
          task.attempt.stepId === 'a' ? { 'src/a.js': 'export const a = 2;\n' } : { 'src/a.js': 'export const a = 1; // repaired\n' },
        ),
      ),
    );
    const workflowId = await world.request({ steps: [agentStep('a')] });
    await world.until('the end', () => world.ended(workflowId));
    expect(await bed.show('main', 'src/a.js')).toContain('repaired');
    const validations = world.state
      .eventsOf(workflowId)
      .flatMap((event) => (event.type === 'ValidationRecorded' ? [event.data.passed] : []));
    expect(validations).toEqual([false, true]);
  });

  it('stops the agents of a cancelled workflow, saves what they had, and leaves no branch behind', async () => {
    const driver = new DeedDriver((task) => {
      writes(() => ({ 'half.txt': 'half' }))(task) as unknown;
      return new Promise(() => undefined);
    });
    const c = world.coordinator(driver);
    const workflowId = await world.request({ steps: [agentStep('a')] });
    await world.until('the agent works', () => driver.tasks.length === 1);
    await world.client(workflowId, { type: 'CancelWorkflow', data: { reason: 'changed my mind' } });
    await world.until('the end', () => world.ended(workflowId));
    await world.until('nothing is held', () => c.held.size === 0);
    expect(driver.stopped.length).toBe(1);
    expect(await bed.refs('refs/heads/')).toEqual(['refs/heads/main']);
    expect(existsSync(driver.tasks[0]!.workspace)).toBe(false);
    expect(await bed.show((await bed.refs('refs/tm/salvage/'))[0]!, 'half.txt')).toBe('half');
  });

  it('stops work whose lease is lost', async () => {
    const driver = new DeedDriver(() => new Promise(() => undefined));
    const c = world.coordinator(driver, { listening: true });
    const workflowId = await world.request({ steps: [{ ...agentStep('a'), timeoutMs: 60_000 }] });
    await world.until('the agent works', () => driver.tasks.length === 1);
    const work = driver.tasks[0]!.attempt;
    await world.client(workflowId, {
      type: 'ExpireStep',
      data: { stepId: work.stepId, attempt: 1, leaseExpiresAt: '2020-01-01T00:00:00.000Z' as never },
    });
    await c.held.renew();
    await world.until('the first attempt has stopped', () => driver.stopped.length > 0);
    expect(driver.stopped[0]).toBe('lost');
    await c.held.drain(0);
  });
});
