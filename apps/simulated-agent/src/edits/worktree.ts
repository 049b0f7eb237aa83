import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { lstat, mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const LISTING_BYTES_MAX = 64 * 1024 * 1024;

/** The worktree was refused: not a git worktree, or a path that leads out of it. */
export class WorktreeRefused extends Error {
  override readonly name = 'WorktreeRefused';
}

/** A file the twin wants in the worktree; `path` is relative with forward slashes. */
export interface PlannedFile {
  readonly path: string;
  readonly content: string;
}

/** The only door through which the twin touches a file system: one git worktree, and nothing outside of it. */
export class Worktree {
  readonly root: string;
  readonly files: readonly string[];

  private constructor(root: string, files: readonly string[]) {
    this.root = root;
    this.files = files;
  }

  /** @throws WorktreeRefused when the path is not the top of a git worktree */
  static async open(path: string): Promise<Worktree> {
    const root = await realpath(path).catch(() => {
      throw new WorktreeRefused('the workspace does not exist');
    });
    const top = await git(root, ['rev-parse', '--show-toplevel']).catch(() => '');
    if (top === '' || (await realpath(top)) !== root) throw new WorktreeRefused('the workspace is not the top of a git worktree');
    const listing = await git(root, ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
    return new Worktree(
      root,
      listing
        .split('\0')
        .filter((file) => file !== '')
        .sort(),
    );
  }

  /** The text of a file inside the worktree; undefined when it is not there or leads outside. */
  async read(path: string): Promise<string | undefined> {
    try {
      const real = await realpath(join(this.root, path));
      return this.#inside(real) ? await readFile(real, 'utf8') : undefined;
    } catch {
      return undefined;
    }
  }

  /** Writes a file; true when that changed something. @throws WorktreeRefused when the path leads outside */
  async write(file: PlannedFile): Promise<boolean> {
    const target = resolve(this.root, file.path);
    if (!this.#inside(target)) throw new WorktreeRefused(`${file.path} leads out of the workspace`);
    await this.#ensureFolder(dirname(target), file.path);
    const before = await lstat(target).catch(() => undefined);
    if (before !== undefined && !before.isFile()) throw new WorktreeRefused(`${file.path} is not a plain file`);
    if (before !== undefined && (await readFile(target, 'utf8')) === file.content) return false;
    await writeFile(target, file.content);
    return true;
  }

  /** Commits the named files, hooks and signing off, under a name that says what it is. */
  async commit(paths: readonly string[], message: string): Promise<void> {
    await git(this.root, ['add', '--force', '--', ...paths]);
    const identity = ['-c', 'user.name=SIMULATED agent', '-c', 'user.email=simulated-agent@localhost'];
    await git(this.root, [...identity, '-c', 'commit.gpgsign=false', 'commit', '--quiet', '--no-verify', '-m', message]);
  }

  /** Checks the deepest folder that exists before making the rest, so that a link cannot lead out. */
  async #ensureFolder(folder: string, path: string): Promise<void> {
    let existing = folder;
    while (!existsSync(existing)) existing = dirname(existing);
    if (!this.#inside(await realpath(existing))) throw new WorktreeRefused(`${path} leads out of the workspace`);
    await mkdir(folder, { recursive: true });
  }

  #inside(path: string): boolean {
    const way = relative(this.root, path);
    return (
      way === '' || (!way.startsWith(`..${sep}`) && way !== '..' && resolve(this.root, way) === path && !way.split(sep).includes('.git'))
    );
  }
}

async function git(root: string, args: readonly string[]): Promise<string> {
  const options = { cwd: root, maxBuffer: LISTING_BYTES_MAX, timeout: 30_000 };
  const { stdout } = await run(
    'git',
    ['-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false', '-c', 'gc.auto=0', ...args],
    options,
  );
  return args.includes('-z') ? stdout : stdout.trim();
}
