import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@taskmaster/testing';
import { timestampOf, type AgentProfile, type StepId, type WorkflowId } from '@taskmaster/contracts';
import type { DriverOutcome, DriverTask } from '../driver.js';
import { startOf } from '../processes.js';
import { CommandDriver } from './command.js';
import { HeadlessDriver } from './headless.js';
import { driverFor, Drivers } from './index.js';
import { wordsOf } from './program.js';
import { agentAt } from './twin.fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'headless-spec-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A program that prints what a real command line printed when it was measured. */
function program(name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/usr/bin/env node\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

const printing = (name: string, lines: readonly object[], exitCode: number): string =>
  program(
    name,
    `${lines.map((line) => `console.log(${JSON.stringify(JSON.stringify(line))});`).join('\n')}\nprocess.exitCode = ${String(exitCode)};`,
  );

function task(profile: Partial<AgentProfile>, withinMs = 20_000): DriverTask {
  const agent = agentAt('');
  return {
    attempt: { workflowId: 'wf_1' as WorkflowId, stepId: 'a' as StepId, attempt: 1 },
    title: 'a',
    prompt: 'Add a login page.',
    workspace: mkdtempSync(join(folder, 'workspace-')),
    deadlineAt: timestampOf(Date.now() + withinMs),
    agent: { ...agent, profile: { ...agent.profile, ...profile } },
  };
}

const headless = async (type: string, endpoint: string): Promise<DriverOutcome> =>
  (await new HeadlessDriver().start(task({ type, endpoint }), () => undefined)).outcome;
const command = async (endpoint: string, withinMs?: number): Promise<DriverOutcome> =>
  (await new CommandDriver().start(task({ endpoint }, withinMs), () => undefined)).outcome;

describe('a headless agent', () => {
  const failures: readonly (readonly [string, string, readonly object[], number, string])[] = [
    [
      'a limit that calls itself success',
      'claude-code',
      [{ type: 'result', subtype: 'success', is_error: true, api_error_status: 429, result: 'API Error' }],
      1,
      'rate_limited',
    ],
    [
      'a missing login',
      'claude-code',
      [{ type: 'result', subtype: 'success', is_error: true, result: 'Not logged in · Please run /login' }],
      1,
      'auth_required',
    ],
    ['used up turns', 'claude-code', [{ type: 'result', subtype: 'error_max_turns', is_error: true }], 1, 'max_turns'],
    [
      'a denied permission behind exit code 0',
      'claude-code',
      [{ type: 'result', subtype: 'success', is_error: false, result: 'Done.', permission_denials: [{}] }],
      0,
      'permission_denied',
    ],
    ['an end without a result', 'claude-code', [{ type: 'system' }], 0, 'exit'],
    [
      'a failed turn of codex',
      'codex',
      [{ type: 'turn.failed', error: { message: 'unexpected status 429 Too Many Requests' } }],
      1,
      'rate_limited',
    ],
  ];
  it.each(failures.map((row) => ({ what: row[0], row })))(
    'is not believed with $what',
    async ({ row: [what, type, lines, exitCode, name] }) => {
      const outcome = await headless(type, printing(what.replaceAll(' ', '-'), lines, exitCode));
      expect(outcome).toMatchObject({ kind: 'failed', error: { detail: { class: name } } });
    },
  );

  it.each([
    ['claude-code', [{ type: 'result', subtype: 'success', is_error: false, result: 'All done.', permission_denials: [] }]],
    [
      'codex',
      [
        { type: 'item.completed', item: { type: 'agent_message', text: 'All done.' } },
        { type: 'turn.completed', usage: {} },
      ],
    ],
  ])('claims to be done when %s says so', async (type, lines) => {
    expect(await headless(type, printing(`fine-${type}`, lines, 0))).toMatchObject({ kind: 'finished', summary: 'All done.' });
  });

  it('is refused where its type has no headless mode', async () => {
    expect(await headless('custom', 'true')).toMatchObject({ kind: 'failed', error: { retryable: false } });
  });
});

describe('a program as an agent', () => {
  it('gets the prompt in a file, works in the workspace, and sees nothing of our environment', async () => {
    const echo = program(
      'echo',
      "const { readFileSync } = require('node:fs'); console.log([readFileSync(process.argv[2], 'utf8'), process.cwd(), Object.keys(process.env).sort().join()].join('|'));",
    );
    const outcome = await command(echo);
    expect(outcome).toMatchObject({
      kind: 'finished',
      summary: expect.stringMatching(/^Add a login page\.\|.*workspace-.*\|HOME,LC_ALL,PATH$/) as unknown,
    });
  });

  it('fails by its exit code, and for good when it is not there', async () => {
    expect(await command(program('fails', "console.error('no'); process.exit(3);"))).toMatchObject({
      kind: 'failed',
      error: { message: 'The program ended with exit code 3.', detail: { output: 'no\n' } },
    });
    expect(await command(join(folder, 'missing'))).toMatchObject({ kind: 'failed', error: { retryable: false } });
    expect(await new CommandDriver().health(task({ endpoint: 'surely-not-installed' }).agent)).toMatchObject({ available: false });
    expect(await new CommandDriver().health(task({ endpoint: 'node --version' }).agent)).toMatchObject({ available: true });
  });

  it('ends at its deadline with everything it started, also when it ignores the first signal', async () => {
    const pidFile = join(folder, 'child.pid');
    const stubborn = program(
      'stubborn',
      `
      const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"], { stdio: 'inherit' });
      require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(child.pid));
      process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`,
    );
    expect(await command(stubborn, 700)).toMatchObject({ kind: 'failed', error: { type: 'timeout', detail: { class: 'deadline' } } });
    const child = Number(readFileSync(pidFile, 'utf8'));
    await eventually(() => startOf(child) === undefined);
  });

  it('stops when told to, and ends what an earlier process left running', async () => {
    const endless = program('endless', 'setInterval(() => {}, 1000);');
    const driver = new CommandDriver();
    const one = await driver.start(task({ endpoint: endless }), () => undefined);
    await one.stop('cancelled');
    expect(await one.outcome).toMatchObject({ kind: 'failed', error: { message: 'cancelled', detail: { class: 'stopped' } } });
    const two = await driver.start(task({ endpoint: endless }), () => undefined);
    expect(await driver.reattach(task({}), JSON.parse(JSON.stringify(two.facts)))).toBeNull();
    expect(await eventually(() => two.outcome)).toMatchObject({ kind: 'failed', error: { detail: { class: 'exit' } } });
  });

  it('reads a command line without a shell', () => {
    expect(wordsOf(`run "two words" 'it''s' $HOME;x`)).toEqual(['run', 'two words', 'it', 's', '$HOME;x']);
  });
});

describe('the drivers', () => {
  it('are one instance per kind and load when they are used', async () => {
    const drivers = new Drivers();
    const { agent } = task({ driver: 'command', endpoint: 'node' });
    expect(drivers.of(agent)).toBe(drivers.of(agent));
    expect(await drivers.of(agent).health(agent)).toMatchObject({ available: true });
    expect(await drivers.of(agent).reattach?.(task({}), {})).toBeNull();
  });

  it('say of a kind that cannot be driven that it is unavailable', async () => {
    const absent = task({ driver: 'remote' });
    const driver = driverFor(absent.agent);
    expect(await driver.health(absent.agent)).toEqual({ available: false, detail: 'there is no driver for agents of kind remote' });
    expect(await (await driver.start(absent, () => undefined)).outcome).toMatchObject({ kind: 'failed', error: { retryable: false } });
  });
});
