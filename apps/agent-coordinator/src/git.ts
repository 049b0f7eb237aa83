import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '@taskmaster/contracts';

/** Bytes of output of one git process; more is a fault. */
export const GIT_OUTPUT_BYTES_MAX = 8 * 1024 * 1024;
const GIT_TIMEOUT_MS = 60_000;
const STDERR_CHARS_MAX = 600;

/** git could not be run, did not end in time, or said no where no "no" is expected. */
export class GitFault extends Fault {
  override readonly name = 'GitFault';
  readonly code = 'git-failed';
  readonly retryable = true;
  constructor(
    readonly operation: string,
    readonly detail: string,
    options?: { cause: unknown },
  ) {
    super(`git ${operation}: ${detail}`, options);
  }
}

export interface GitResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface GitOptions {
  /** The repository; git never searches for one. */
  readonly gitDir?: string;
  readonly workTree?: string;
  readonly indexFile?: string;
  readonly stdin?: string;
  /** Seconds since the epoch for author and committer, so that the same commit gets the same id. */
  readonly date?: number;
  readonly timeoutMs?: number;
}

/** Runs git without a shell, without prompts, without hooks and without anybody's configuration. */
export interface Git {
  /** Any exit code is an answer. @throws GitFault when git could not be run or did not end in time */
  try(args: readonly string[], options?: GitOptions): Promise<GitResult>;
  /** Trimmed standard output. @throws GitFault also when git exits with anything but 0 */
  run(args: readonly string[], options?: GitOptions): Promise<string>;
  /** How many git processes it has started, and the milliseconds they took together. */
  readonly spent: { processes: number; ms: number };
}

export interface GitSettings {
  /** A folder of git's own: its HOME, its configuration and its list of files that are never committed. */
  readonly home: string;
  /** Where programs are looked for. */
  readonly searchPath: string;
  /** Protocols a remote may use; the default leaves out those that run programs or cannot be trusted. */
  readonly protocols?: readonly string[];
  /** Sent to https remotes of this origin only; never an argument, so that no process list shows it. */
  readonly credential?: { readonly origin: string; readonly token: string };
}

/** What no repository wants in a commit even when it has forgotten to ignore it. */
const NEVER_COMMITTED = ['node_modules/', '__pycache__/', '*.pyc', '.pytest_cache/', '.venv/', '.DS_Store', '.env', '.taskmaster-session/'];

const configuration = (home: string): string =>
  [
    '[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tautocrlf = false\n\tquotePath = false',
    `\texcludesFile = ${JSON.stringify(join(home, 'exclude'))}`,
    '[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[receive]\n\tautogc = false',
    '[safe]\n\tdirectory = *\n[advice]\n\tdetachedHead = false\n[commit]\n\tgpgSign = false\n[init]\n\tdefaultBranch = main\n',
  ].join('\n');

function environmentOf(settings: GitSettings): NodeJS.ProcessEnv {
  const { home, credential } = settings;
  const env: NodeJS.ProcessEnv = {
    PATH: settings.searchPath,
    HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: join(home, 'gitconfig'),
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    SSH_ASKPASS: '/bin/false',
    GIT_SSH_COMMAND: 'ssh -oBatchMode=yes',
    GIT_ALLOW_PROTOCOL: (settings.protocols ?? ['file', 'https', 'ssh']).join(':'),
    GIT_OPTIONAL_LOCKS: '0',
    GIT_AUTHOR_NAME: 'TaskMaster',
    GIT_AUTHOR_EMAIL: 'taskmaster@localhost',
    GIT_COMMITTER_NAME: 'TaskMaster',
    GIT_COMMITTER_EMAIL: 'taskmaster@localhost',
  };
  if (!credential) return env;
  const basic = Buffer.from(`x-access-token:${credential.token}`).toString('base64');
  return {
    ...env,
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `http.${credential.origin}/.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
  };
}

// An agent works in a worktree and can write the repository's configuration: what would run a program is fixed here again.
const FIXED = ['-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false', '-c', 'core.sshCommand=ssh -oBatchMode=yes'];

function environmentFor(env: NodeJS.ProcessEnv, options: GitOptions): NodeJS.ProcessEnv {
  const dated = options.date === undefined ? undefined : `${String(options.date)} +0000`;
  return {
    ...env,
    ...(options.gitDir === undefined ? {} : { GIT_DIR: options.gitDir }),
    ...(options.workTree === undefined ? {} : { GIT_WORK_TREE: options.workTree }),
    ...(options.indexFile === undefined ? {} : { GIT_INDEX_FILE: options.indexFile }),
    ...(dated === undefined ? {} : { GIT_AUTHOR_DATE: dated, GIT_COMMITTER_DATE: dated }),
  };
}

const tail = (text: string): string => text.trim().slice(-STDERR_CHARS_MAX);

/** Prepares git's own home and returns the one way to call git. */
export function createGit(settings: GitSettings): Git {
  mkdirSync(settings.home, { recursive: true, mode: 0o700 });
  writeFileSync(join(settings.home, 'gitconfig'), configuration(settings.home));
  writeFileSync(join(settings.home, 'exclude'), `${NEVER_COMMITTED.join('\n')}\n`);
  const env = environmentOf(settings);
  const spent = { processes: 0, ms: 0 };

  const attempt = (args: readonly string[], options: GitOptions = {}): Promise<GitResult> =>
    new Promise((resolve, reject) => {
      const operation = args[0] ?? '';
      const startedMs = performance.now();
      spent.processes += 1;
      const child = execFile(
        'git',
        [...FIXED, ...args],
        {
          cwd: options.workTree ?? settings.home,
          env: environmentFor(env, options),
          timeout: options.timeoutMs ?? GIT_TIMEOUT_MS,
          killSignal: 'SIGKILL',
          maxBuffer: GIT_OUTPUT_BYTES_MAX,
          encoding: 'utf8',
        },
        (error, stdout, stderr) => {
          spent.ms += performance.now() - startedMs;
          if (error && typeof error.code !== 'number') {
            reject(
              new GitFault(operation, error.killed === true ? 'did not end in time or said too much' : error.message, { cause: error }),
            );
          } else resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
        },
      );
      // A git that ends before it has read its input is judged by its exit code.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(options.stdin ?? '');
    });

  return {
    try: attempt,
    run: async (args, options) => {
      const result = await attempt(args, options);
      if (result.exitCode !== 0) throw new GitFault(args[0] ?? '', tail(result.stderr) || `exit ${String(result.exitCode)}`);
      return result.stdout.trim();
    },
    spent,
  };
}
