import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface RepositoryOptions {
  /** Content by path; a path that ends in `.sh` is made executable. */
  readonly files: Readonly<Record<string, string>>;
  readonly branch?: string;
  /** Whether to give a bare repository, as a remote is. */
  readonly bare?: boolean;
}

export interface TestRepository {
  readonly path: string;
  readonly branch: string;
  /** Runs git there and gives its output without the last line break. @throws when git fails */
  git(...args: readonly string[]): Promise<string>;
  /** Writes files and commits them (not in a bare one). @returns the commit's id */
  commit(files: Readonly<Record<string, string>>, message: string): Promise<string>;
  /** The content of a file at a revision. */
  read(revision: string, path: string): Promise<string>;
  remove(): Promise<void>;
}

/** No configuration of the machine or of its user has a say in what a spec does. */
const ENVIRONMENT = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Spec',
  GIT_AUTHOR_EMAIL: 'spec@example.invalid',
  GIT_COMMITTER_NAME: 'Spec',
  GIT_COMMITTER_EMAIL: 'spec@example.invalid',
} as const;

/** Makes a temporary git repository with one commit of these files. */
export async function makeRepository(options: RepositoryOptions): Promise<TestRepository> {
  const branch = options.branch ?? 'main';
  const home = await mkdtemp(join(tmpdir(), 'taskmaster-repository-'));
  const work = repositoryAt(join(home, 'work'), branch, home);
  await mkdir(work.path);
  await work.git('init', '--quiet', `--initial-branch=${branch}`);
  await work.commit(options.files, 'Initial commit');
  if (options.bare !== true) return work;
  const bare = join(home, 'repository.git');
  await run('git', ['clone', '--quiet', '--bare', '--', work.path, bare], { env: ENVIRONMENT, cwd: home });
  await rm(work.path, { recursive: true, force: true });
  return repositoryAt(bare, branch, home);
}

function repositoryAt(path: string, branch: string, home: string): TestRepository {
  const git = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run('git', [...args], { cwd: path, env: ENVIRONMENT, maxBuffer: 64 * 1024 * 1024 });
    return stdout.replace(/\n$/, '');
  };
  return {
    path,
    branch,
    git,
    commit: async (files, message) => {
      for (const [name, content] of Object.entries(files)) await writeInto(path, name, content);
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '-m', message);
      return git('rev-parse', 'HEAD');
    },
    read: async (revision, file) => {
      const { stdout } = await run('git', ['show', `${revision}:${file}`], { cwd: path, env: ENVIRONMENT });
      return stdout;
    },
    remove: () => rm(home, { recursive: true, force: true }),
  };
}

async function writeInto(directory: string, name: string, content: string): Promise<void> {
  const path = join(directory, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  if (name.endsWith('.sh')) await chmod(path, 0o755);
}
