import { describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { surroundings } from './config.js';
import { EXIT } from './exit.js';
import { buildProgram, runProgram } from './program.js';

interface Listed {
  readonly path: string;
  readonly command: Command;
}
const below = (command: Command, path = ''): readonly Listed[] =>
  command.commands.flatMap((child) => {
    const at = `${path} ${child.name()}`.trim();
    return [{ path: at, command: child }, ...below(child, at)];
  });
const COMMANDS = below(buildProgram(surroundings(), () => undefined));

/** Runs the command line and keeps what it says. */
async function said(...args: readonly string[]): Promise<{ readonly exit: number; readonly out: string; readonly talk: string }> {
  let [out, talk] = ['', ''];
  const terminal = { ...surroundings().terminal, out: (text: string) => (out += text), talk: (text: string) => (talk += text) };
  const exit = await runProgram(args, { env: {}, workingDirectory: '/', terminal });
  return { exit, out, talk };
}

describe('the help', () => {
  it('describes every command, argument and option', () => {
    const bare = COMMANDS.flatMap(({ path, command }) => [
      ...(command.description() === '' ? [path] : []),
      ...command.options.filter(({ description }) => description === '').map(({ flags }) => `${path} ${flags}`),
      ...command.registeredArguments.filter(({ description }) => description === '').map((argument) => `${path} <${argument.name()}>`),
    ]);
    expect(bare).toEqual([]);
  });

  it.each(COMMANDS.map(({ path }) => [path]))('of %s is on stdout, with the options that it shares', async (path) => {
    const { exit, out, talk } = await said(...path.split(' '), '--help');
    expect({ exit, talk }).toEqual({ exit: EXIT.ok, talk: '' });
    expect(out).toContain(`Usage: task-master ${path}`);
    expect(out).toContain('--api-key');
  });

  it('gives examples that the command line takes', async () => {
    for (const path of ['', ...COMMANDS.map((listed) => listed.path)]) {
      const { out } = await said(...path.split(' ').filter(Boolean), '--help');
      for (const [, line = ''] of out.matchAll(/^ {2}task-master (.*)$/gm)) {
        const words = [...line.matchAll(/"[^"]*"|\S+/g)].map(([word]) => word.replaceAll('"', ''));
        const known = COMMANDS.filter((listed) => line.startsWith(listed.path)).at(-1);
        expect({ line, known: known !== undefined }).toEqual({ line, known: true });
        const flags = words.filter((word) => word.startsWith('--'));
        const options = [...(known?.command.options ?? []), ...buildProgram(surroundings(), () => undefined).options].map(
          ({ long }) => long,
        );
        expect({ line, unknown: flags.filter((flag) => !options.includes(flag)) }).toEqual({ line, unknown: [] });
      }
    }
  });

  it('is offered to whoever mistypes, with the exit code of wrong usage', async () => {
    for (const args of [
      ['nonsense'],
      ['workflow', 'nonsense'],
      ['workflow', 'list', '--nonsense'],
      ['workflow', 'list', '--status', 'odd'],
    ]) {
      const { exit, talk } = await said(...args);
      expect(exit).toBe(EXIT.usage);
      expect(talk).toContain('--help says what is possible');
    }
  });
});
