import { execFile } from 'node:child_process';
import { CommandFault } from '../exit.js';

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

export interface GitOptions {
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A configuration file instead of the user's; absent: the user's, with its credentials. */
  readonly configFile?: string;
}

/** Runs git with an argument array, without prompts and hooks; what it printed. @throws CommandFault with the end of its complaint */
export function git(args: readonly string[], options: GitOptions): Promise<string> {
  const { PATH, HOME, LANG, SSH_AUTH_SOCK } = options.env;
  const env = {
    PATH,
    HOME,
    LANG,
    SSH_AUTH_SOCK,
    GIT_TERMINAL_PROMPT: '0',
    ...(options.configFile === undefined ? {} : { GIT_CONFIG_GLOBAL: options.configFile, GIT_CONFIG_NOSYSTEM: '1' }),
  };
  return new Promise((resolve, reject) => {
    const settings = { env, maxBuffer: OUTPUT_BYTES_MAX, ...(options.cwd === undefined ? {} : { cwd: options.cwd }) };
    execFile('git', ['-c', 'core.hooksPath=/dev/null', ...args], settings, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        reject(new CommandFault('git was not found.\n  What to do: install git and try again.'));
      else
        reject(new CommandFault(`git ${args[0] ?? ''} failed: ${stderr.trim().split('\n').slice(-3).join('\n  ')}`, 1, { cause: error }));
    });
  });
}
