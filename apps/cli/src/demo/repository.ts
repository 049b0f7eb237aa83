import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CommandFault, EXIT } from '../exit.js';
import { git, type GitOptions } from './git.js';
import { SAMPLE_FILES } from './sample-package.js';

type Environment = GitOptions['env'];

/** A bare repository of the demo's own, into which the change is merged. */
export interface DemoRepository {
  readonly path: string;
  readonly branch: string;
  /** Where the branch was before. */
  readonly before: string;
  /** Set when it is a clone of somebody's repository. */
  readonly clonedFrom?: string;
}

/** Makes the sample package with its history. */
export async function makeSampleRepository(folder: string, env: Environment): Promise<DemoRepository> {
  const work = join(folder, 'greeting-service.work');
  const path = join(folder, 'greeting-service.git');
  for (const [name, text] of Object.entries(SAMPLE_FILES)) {
    const file = join(work, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  const options = { env, configFile: await configIn(folder) };
  await git(['init', '--quiet', '--initial-branch=main', work], options);
  await git(['add', '--all'], { ...options, cwd: work });
  await git(['commit', '--quiet', '--message=Greet people over HTTP'], { ...options, cwd: work });
  await git(['clone', '--quiet', '--bare', '--no-hardlinks', '--', work, path], options);
  await rm(work, { recursive: true });
  return { path, branch: 'main', before: await headOf(path, 'main', options) };
}

/** Clones somebody's repository; nothing of theirs is written to. @throws CommandFault */
export async function cloneRepository(
  source: string,
  folder: string,
  around: { readonly env: Environment; readonly workingDirectory: string },
): Promise<DemoRepository> {
  const { env } = around;
  const remote = /^[a-z][a-z0-9+.-]*:\/\//i.test(source) || /^[^/\\]+@[^/\\]+:/.test(source);
  const from = remote ? source : resolve(around.workingDirectory, source);
  if (!remote && !(await exists(from)))
    throw new CommandFault(`${from} does not exist.\n  What to do: give --repo the path or URL of a git repository.`, EXIT.usage);
  const path = join(folder, 'repository.git');
  // A repository of another user is read on the user's word; remote ones need the user's own settings for credentials.
  const options: GitOptions = remote ? { env } : { env, configFile: await configIn(folder) };
  if (!remote && !(await isRepository(from, options)))
    throw new CommandFault(`${from} is not a git repository.\n  What to do: give --repo the path or URL of one.`, EXIT.usage);
  await git(['clone', '--quiet', '--bare', '--no-hardlinks', '--', from, path], options);
  const branch = (await git(['symbolic-ref', '--short', 'HEAD'], { ...options, cwd: path }).catch(() => '')).trim();
  if (branch === '')
    throw new CommandFault(
      `${from} is not on a branch (its HEAD is detached).\n  What to do: check out the branch that the change should go to.`,
      EXIT.usage,
    );
  const before = await headOf(path, branch, options).catch(() => '');
  if (before === '')
    throw new CommandFault(
      `${from} has no commit on ${branch}.\n  What to do: commit something, or check out the branch that the change should go to.`,
      EXIT.usage,
    );
  return { path, branch, before, clonedFrom: from };
}

/** Lines of `git diff --stat` between what was and what is. */
export async function changedFiles(repository: DemoRepository, commit: string, env: Environment): Promise<string> {
  return (await git(['diff', '--stat', '--stat-width=78', repository.before, commit, '--'], { env, cwd: repository.path })).trimEnd();
}

const isRepository = (path: string, options: GitOptions): Promise<boolean> =>
  git(['ls-remote', '--quiet', '--', path], options).then(
    () => true,
    () => false,
  );

async function headOf(path: string, branch: string, options: GitOptions): Promise<string> {
  return (await git(['rev-parse', '--verify', '--quiet', '--end-of-options', `refs/heads/${branch}`], { ...options, cwd: path })).trim();
}

async function configIn(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'gitconfig');
  await writeFile(
    file,
    '[user]\n\tname = TaskMaster demo\n\temail = demo@taskmaster.invalid\n[safe]\n\tdirectory = *\n[commit]\n\tgpgSign = false\n',
  );
  return file;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
