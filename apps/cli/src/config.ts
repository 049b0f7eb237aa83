import type { Terminal } from './terminal.js';

const COLUMNS_DEFAULT = 100;
const ROWS_DEFAULT = 40;

/** What the command finds around it. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  readonly terminal: Terminal;
}

/** Whether to colour: NO_COLOR and CLICOLOR_FORCE decide, else whether a person watches. */
function wantsColour(env: Surroundings['env'], watched: boolean): boolean {
  if (env['NO_COLOR']) return false;
  if (env['CLICOLOR_FORCE'] && env['CLICOLOR_FORCE'] !== '0') return true;
  return watched && env['TERM'] !== 'dumb';
}

export function surroundings(): Surroundings {
  const { env, stdout, stderr } = process;
  const live = stderr.isTTY && stdout.isTTY && !env['CI'] && env['TERM'] !== 'dumb';
  return {
    env,
    workingDirectory: process.cwd(),
    terminal: {
      out: (text) => {
        stdout.write(text);
      },
      talk: (text) => {
        stderr.write(text);
      },
      live,
      colour: wantsColour(env, stderr.isTTY),
      columns: () => stderr.columns || COLUMNS_DEFAULT,
      rows: () => stderr.rows || ROWS_DEFAULT,
    },
  };
}
