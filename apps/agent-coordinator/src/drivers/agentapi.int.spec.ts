import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@taskmaster/testing';
import type { DriverOutcome, DriverTask } from '../driver.js';
import { AgentapiClient } from './agentapi-client.js';
import { AgentapiDriver, type AgentapiLimits } from './agentapi.js';
import { EventFeed } from './event-feed.js';
import { agentAt, git, testsPass, Twin } from './twin.fixture.js';

/** Short enough that every watchdog bites within a test. */
const LIMITS: Partial<AgentapiLimits> = {
  startMs: 1_500,
  postMs: 400,
  requestMs: 400,
  reactionMs: 300,
  claimMs: 300,
  noOutputMs: 1_000,
  cancelMs: 300,
  lostPortMs: 300,
  reportMs: 10,
};
/** Steps named after a fault get it. */
const FAULTS = [
  'busy',
  'error-screen',
  'error-after-accept',
  'unprocessable',
  'proxy-overloaded',
  'hang',
  'never-leaves-stable',
  'never-stable',
  'flapping',
  'early-stable',
  'dialog',
  'login',
  'rate-limit',
  'empty-answer',
  'no-change',
  'breaks-tests',
  'out-of-scope',
  'dirty-tree',
  'huge-message',
  'sse-drops',
  'ignores-esc',
  'ignores-everything',
  'slow-turn',
];
const SCENARIO = {
  rules: FAULTS.map((fault) => ({
    step: fault,
    fault,
    ...(fault === 'rate-limit' ? { resetMs: 7000 } : {}),
    ...(/slow|ignores/.test(fault) ? { delayMs: fault === 'ignores-everything' ? 5_000 : 800 } : {}),
  })),
};

const driver = new AgentapiDriver({ limits: LIMITS });
let twin: Twin;

const run = async (task: DriverTask, report: (message: string) => void = () => undefined): Promise<DriverOutcome> =>
  (await driver.start(task, report)).outcome;
const errorOf = (outcome: DriverOutcome): unknown => (outcome.kind === 'failed' ? outcome.error : outcome);
const promptsAt = async (task: DriverTask): Promise<number> => {
  const feed = new EventFeed(new AgentapiClient(task.agent.profile.endpoint, undefined), { lostPortMs: 1_000 });
  try {
    await eventually(() => feed.synced);
    return feed.after(-1).filter((message) => message.role === 'user').length;
  } finally {
    feed.close();
  }
};

beforeAll(async () => {
  twin = await Twin.start(SCENARIO);
});
afterAll(async () => {
  await twin.stop();
});

describe('a turn on an agentapi server', () => {
  it('delivers a prompt, edits the worktree and claims to be done in well under a second', async () => {
    const task = twin.task('create-login');
    const reports: string[] = [];
    await eventually(async () => (await new AgentapiClient(task.agent.profile.endpoint, undefined).status(1_000)).status === 'stable');
    const startedMs = performance.now();
    const outcome = await run(task, (message) => reports.push(message));
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect(outcome).toMatchObject({ kind: 'finished', summary: expect.stringContaining('SIMULATED') as unknown });
    expect(git(task.workspace, 'diff', '--name-only', 'HEAD~1')).toBe(
      'src/simulated/simulated-create-login.js\ntest/simulated-create-login.test.js',
    );
    expect(testsPass(task.workspace)).toBe(true);
    expect(reports).toContain('The agent has taken the prompt.');
  });

  it('lines the prompts of one server up', async () => {
    const url = twin.freshUrl();
    const tasks = ['one', 'two', 'three'].map((step) => twin.task(step, { url }));
    const outcomes = await Promise.all(tasks.map((task) => run(task)));
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['finished', 'finished', 'finished']);
    expect(await promptsAt(tasks[0]!)).toBe(3);
  });

  it('says that a server cannot be reached', async () => {
    const outcome = await run({ ...twin.task('nobody'), agent: agentAt('http://127.0.0.1:1') });
    expect(errorOf(outcome)).toMatchObject({ type: 'network', retryable: true, detail: { class: 'unreachable' } });
  });

  it('touches nothing where the workspace is no git worktree', async () => {
    const outcome = await run(twin.task('outside', { workspace: twin.folder }));
    expect(outcome).toMatchObject({ kind: 'finished', summary: expect.stringContaining('not the top of a git worktree') as unknown });
    expect(existsSync(join(twin.folder, 'simulated'))).toBe(false);
  });

  it('refuses an agent whose endpoint is no address', async () => {
    expect(errorOf(await run({ ...twin.task('nowhere'), agent: agentAt('nonsense') }))).toMatchObject({ type: 'agent', retryable: false });
  });
});

describe('a POST that goes wrong', () => {
  it.each(['busy', 'error-screen', 'error-after-accept'])('delivers the prompt exactly once after %s', async (fault) => {
    const task = twin.task(fault);
    expect(await run(task)).toMatchObject({ kind: 'finished' });
    expect(await promptsAt(task)).toBe(1);
    expect(testsPass(task.workspace)).toBe(true);
  });

  it('gives up for good when the server refuses the request', async () => {
    expect(errorOf(await run(twin.task('unprocessable')))).toMatchObject({ type: 'agent', retryable: false, detail: { class: 'refused' } });
  });

  it('hands on how long an overloaded proxy asks to wait', async () => {
    expect(errorOf(await run(twin.task('proxy-overloaded')))).toMatchObject({ type: 'rate_limit', retryAfterMs: 1000 });
  });

  it('never sends a prompt again that may have been taken', async () => {
    const task = twin.task('hang');
    expect(errorOf(await run(task))).toMatchObject({ type: 'agent', retryable: true, detail: { class: 'ambiguous_prompt' } });
    expect(await promptsAt(task)).toBe(1);
    const health = await driver.health(task.agent);
    expect(health.available).toBe(false);
  });
});

describe('a status that lies', () => {
  it('does not take the stable of before the prompt for its end', async () => {
    expect(errorOf(await run(twin.task('never-leaves-stable')))).toMatchObject({ type: 'agent', detail: { class: 'no_reaction' } });
  });

  it('stops a turn that never falls silent at its deadline', async () => {
    const outcome = await run(twin.task('never-stable', { withinMs: 700 }));
    expect(errorOf(outcome)).toMatchObject({ type: 'timeout', detail: { class: 'deadline', cancelledBy: 'escape' } });
  });

  it.each(['flapping', 'early-stable'])('waits for the complete answer through %s', async (fault) => {
    const task = twin.task(fault);
    expect(await run(task)).toMatchObject({ kind: 'finished', summary: expect.stringContaining('wrote a marked module') as unknown });
    expect(testsPass(task.workspace)).toBe(true);
  });

  it('recognises a dialog behind a stable status and leaves it', async () => {
    const task = twin.task('dialog');
    expect(errorOf(await run(task))).toMatchObject({
      type: 'agent',
      retryable: true,
      detail: { class: 'needs_input', cancelledBy: 'escape' },
    });
    expect(await run(twin.task('afterwards', { url: task.agent.profile.endpoint }))).toMatchObject({ kind: 'finished' });
  });

  it('recognises an agent that is not logged in', async () => {
    expect(errorOf(await run(twin.task('login')))).toMatchObject({ type: 'agent', detail: { class: 'auth_required' } });
  });

  it('recognises a limit and the wait it names', async () => {
    expect(errorOf(await run(twin.task('rate-limit')))).toMatchObject({ type: 'rate_limit', retryable: true, retryAfterMs: 7000 });
  });
});

describe('an answer that is not what it seems', () => {
  it('claims no more than an empty answer says', async () => {
    expect(await run(twin.task('empty-answer'))).toEqual({ kind: 'finished', summary: 'The agent said nothing.', transcriptTail: '' });
  });

  it('leaves it to the evidence that a claim changed nothing', async () => {
    const task = twin.task('no-change');
    expect(await run(task)).toMatchObject({ kind: 'finished' });
    expect(git(task.workspace, 'rev-list', '--count', 'HEAD')).toBe('1');
    expect(git(task.workspace, 'status', '--porcelain')).toBe('');
  });

  it('plants a failing test, which the repair step then puts right', async () => {
    const task = twin.task('breaks-tests');
    expect(await run(task)).toMatchObject({ kind: 'finished' });
    expect(testsPass(task.workspace)).toBe(false);
    const repair = twin.task('fix-1', {
      workspace: task.workspace,
      prompt: 'Repair: the merged result does not pass.\n\nFindings:\nnot ok 2',
    });
    expect(await run(repair)).toMatchObject({ kind: 'finished', summary: expect.stringContaining('repaired') as unknown });
    expect(testsPass(task.workspace)).toBe(true);
  });

  it('leaves edits outside the scope and a dirty tree for the evidence to find', async () => {
    const wide = twin.task('out-of-scope');
    await run(wide);
    expect(git(wide.workspace, 'diff', '--name-only', 'HEAD~1')).toContain('README.md');
    const dirty = twin.task('dirty-tree');
    await run(dirty);
    expect(git(dirty.workspace, 'status', '--porcelain')).toContain('simulated-leftover.txt');
  });

  it('cuts off an answer that is longer than allowed', async () => {
    expect(errorOf(await run(twin.task('huge-message')))).toMatchObject({ type: 'resource', detail: { class: 'too_long' } });
  });
});

describe('a server that comes and goes', () => {
  it('follows the turn over a broken event stream', async () => {
    const task = twin.task('sse-drops');
    expect(await run(task)).toMatchObject({ kind: 'finished' });
    expect(testsPass(task.workspace)).toBe(true);
  });

  it('reports a server that died in the middle of its work', async () => {
    const mortal = await Twin.start({ rules: [{ fault: 'crash' }] });
    try {
      expect(errorOf(await run(mortal.task('anything')))).toMatchObject({ type: 'network', retryable: true, detail: { class: 'crash' } });
    } finally {
      await mortal.stop();
    }
  });

  it('recognises a server that was started anew on the same port', async () => {
    const first = await Twin.start({ rules: [{ fault: 'slow-turn', delayMs: 5_000 }] });
    const taken = { yes: false };
    const session = await new AgentapiDriver({ limits: { ...LIMITS, lostPortMs: 10_000 } }).start(
      first.task('anything'),
      () => (taken.yes = true),
    );
    await eventually(() => taken.yes);
    await first.kill();
    const second = await Twin.start({}, first.ports);
    try {
      expect(errorOf(await session.outcome)).toMatchObject({ type: 'network', retryable: true, detail: { class: 'lost' } });
    } finally {
      await second.stop();
      await first.stop();
    }
  });

  it('waits for a slow start', async () => {
    const slow = await Twin.start({ startDelayMs: 400 });
    try {
      expect(await run(slow.task('anything'))).toMatchObject({ kind: 'finished' });
    } finally {
      await slow.stop();
    }
  });

  it('names the dialog that keeps a server from starting', async () => {
    const stuck = await Twin.start({ startDialog: true });
    try {
      const outcome = await new AgentapiDriver({ limits: { ...LIMITS, startMs: 300 } }).start(stuck.task('anything'), () => undefined);
      expect(errorOf(await outcome.outcome)).toMatchObject({ type: 'agent', detail: { class: 'needs_input' } });
    } finally {
      await stuck.stop();
    }
  });
});

describe('stopping and reattaching', () => {
  const startSlow = async (
    step: string,
  ): Promise<{ task: DriverTask; stop: (reason: string) => Promise<void>; outcome: Promise<DriverOutcome>; facts: object }> => {
    const task = twin.task(step);
    const taken = { yes: false };
    const session = await driver.start(task, () => (taken.yes = true));
    await eventually(() => taken.yes);
    return { task, stop: (reason) => session.stop(reason), outcome: session.outcome, facts: session.facts };
  };

  it.each([
    ['slow-turn', 'escape'],
    ['ignores-esc', 'ctrl-c'],
  ])('ends %s with %s before it changed anything', async (step, key) => {
    const { task, stop, outcome } = await startSlow(step);
    await stop('the workflow was cancelled');
    expect(errorOf(await outcome)).toMatchObject({ message: 'the workflow was cancelled', detail: { class: 'stopped', cancelledBy: key } });
    expect(git(task.workspace, 'rev-list', '--count', 'HEAD')).toBe('1');
  });

  it('lets a turn that waits in line be stopped while it waits', async () => {
    const { task, stop, outcome } = await startSlow('slow-turn');
    const next = await driver.start(twin.task('next', { url: task.agent.profile.endpoint }), () => undefined);
    await next.stop('not needed any more');
    expect(errorOf(await next.outcome)).toMatchObject({ message: 'not needed any more', detail: { class: 'stopped' } });
    await stop('done');
    await outcome;
    expect(await promptsAt(task)).toBe(1);
  });

  it('says so when nothing stops an attached agent', async () => {
    const { stop, outcome } = await startSlow('ignores-everything');
    await stop('enough');
    expect(errorOf(await outcome)).toMatchObject({ detail: { class: 'stopped', stillRunning: true } });
  });

  it('goes on waiting for the same turn in another process, without a second prompt', async () => {
    const { task, facts, outcome } = await startSlow('slow-turn');
    const successor = new AgentapiDriver({ limits: LIMITS });
    const session = await successor.reattach(task, JSON.parse(JSON.stringify(facts)));
    expect(await session?.outcome).toMatchObject({ kind: 'finished' });
    await outcome;
    expect(await promptsAt(task)).toBe(1);
  });

  it('finds nothing to reattach to on a server that never had the prompt', async () => {
    const task = twin.task('stranger');
    expect(await driver.reattach(task, { driver: 'agentapi', url: task.agent.profile.endpoint })).toBeNull();
    expect(await driver.reattach(task, { driver: 'agentapi', url: 'http://127.0.0.1:1' })).toBeNull();
  });

  it('tells an agent that is there from one that is not', async () => {
    expect(await driver.health(agentAt(twin.freshUrl()))).toMatchObject({ available: true });
    expect(await driver.health(agentAt('http://127.0.0.1:1'))).toMatchObject({ available: false });
    expect(await driver.health(agentAt('nonsense'))).toMatchObject({ available: false });
  });
});
