import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { timestampOf, type AgentId, type AgentView, type StepId, type WorkflowId } from '@taskmaster/contracts';
import type { DriverTask } from '../driver.js';

const PROGRAM = fileURLToPath(new URL('../../../simulated-agent/dist/main.js', import.meta.url));
const PATH = `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`;
const SESSIONS = 40;

/** A small repository whose own test command is `node --test`. */
const REPOSITORY: Readonly<Record<string, string>> = {
  'package.json': '{ "name": "sample", "type": "module", "scripts": { "test": "node --test" } }\n',
  'README.md': '# Sample\n',
  'src/add.js': 'export const add = (a, b) => a + b;\n',
  'test/add.test.js':
    "import test from 'node:test';\nimport assert from 'node:assert/strict';\nimport { add } from '../src/add.js';\n\ntest('adds', () => assert.equal(add(1, 2), 3));\n",
};

/** A real simulated-agent process with a scenario, and git worktrees for it to edit. */
export class Twin {
  readonly folder = mkdtempSync(join(tmpdir(), 'twin-'));
  readonly #child: ChildProcess;
  #ports: readonly number[] = [];
  #used = 0;

  private constructor(scenario: object, ports: readonly number[]) {
    const path = join(this.folder, 'scenario.json');
    writeFileSync(path, JSON.stringify(scenario));
    const env = {
      PATH,
      LC_ALL: 'C',
      LOG_LEVEL: 'silent',
      SIMULATED_AGENT_SCENARIO: path,
      SIMULATED_AGENT_SESSIONS: String(SESSIONS),
      SIMULATED_AGENT_PORTS: ports.join(','),
    };
    this.#child = fork(PROGRAM, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env, execArgv: [] });
  }

  /** `ports`: those of an earlier process, to take its place. */
  static async start(scenario: object = {}, ports: readonly number[] = []): Promise<Twin> {
    const twin = new Twin(scenario, ports);
    twin.#ports = await new Promise((resolve, reject) => {
      twin.#child.once('message', (message: { readonly ports: readonly number[] }) => {
        resolve(message.ports);
      });
      twin.#child.once('exit', (code) => {
        reject(new Error(`the simulated agent exited with ${String(code)}`));
      });
    });
    return twin;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      await gone;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  get ports(): readonly number[] {
    return this.#ports;
  }

  /** Ends the process as a power cut does. */
  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }

  /** A conversation that no other test has used. */
  freshUrl(): string {
    const port = this.#ports[this.#used];
    if (port === undefined) throw new Error('every session of the simulated agent is used');
    this.#used += 1;
    return `http://127.0.0.1:${String(port)}`;
  }

  /** A task for a step in a worktree of its own. */
  task(
    step: string,
    how: { readonly url?: string; readonly workspace?: string; readonly prompt?: string; readonly withinMs?: number } = {},
  ): DriverTask {
    return {
      attempt: { workflowId: 'wf_1' as WorkflowId, stepId: step as StepId, attempt: 1 },
      title: step,
      prompt: how.prompt ?? 'Add a login page.',
      workspace: how.workspace ?? this.repository(),
      deadlineAt: timestampOf(Date.now() + (how.withinMs ?? 20_000)),
      agent: agentAt(how.url ?? this.freshUrl()),
    };
  }

  repository(files: Readonly<Record<string, string>> = REPOSITORY): string {
    const root = mkdtempSync(join(this.folder, 'worktree-'));
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
    git(root, 'init', '--quiet');
    git(root, 'add', '.');
    git(root, '-c', 'user.name=Test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '-m', 'Initial commit');
    return root;
  }
}

export const git = (root: string, ...args: readonly string[]): string =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8', env: { PATH, LC_ALL: 'C', HOME: root } }).trim();

/** Whether the repository's own tests pass. */
export function testsPass(root: string): boolean {
  try {
    execFileSync(process.execPath, ['--test'], { cwd: root, env: { PATH }, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export const agentAt = (url: string): AgentView => ({
  id: 'twin' as AgentId,
  profile: {
    name: 'SIMULATED agent',
    type: 'custom',
    driver: 'agentapi',
    endpoint: url,
    simulated: true,
    roles: [],
    capabilities: {},
    languages: [],
    specialisations: [],
    maxConcurrent: 1,
  },
  available: true,
  detail: '',
  running: 0,
  succeeded: 0,
  failed: 0,
});
