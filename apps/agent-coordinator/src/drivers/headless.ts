import type { AgentView, JsonObject } from '@taskmaster/contracts';
import type { AgentDriver, DriverOutcome, DriverSession, DriverTask } from '../driver.js';
import { programHealth } from './command.js';
import { failed } from './failures.js';
import { ClaudeReader, CodexReader, TextReader, type OutputReader } from './headless-output.js';
import { ARGUMENT_CHARACTERS_MAX, endLeftover, PROGRAM_ENVIRONMENT, startProgram, wordsOf, type ProgramEnvironment } from './program.js';

interface HeadlessCommand {
  /** What follows the words of the endpoint. */
  arguments(prompt: string): readonly string[];
  reader(): OutputReader;
}

const AIDER_FLAGS = [
  '--yes-always',
  '--no-check-update',
  '--no-analytics',
  '--no-show-release-notes',
  '--no-pretty',
  '--no-stream',
  '--no-suggest-shell-commands',
  '--no-detect-urls',
  '--no-gitignore',
  '--no-fancy-input',
];

/** By agent type. Checked against Claude Code 2.1.197 and Codex 0.169.0; aider's flags are those of its source. */
const COMMANDS: Readonly<Record<string, HeadlessCommand>> = {
  'claude-code': {
    arguments: (prompt) => ['-p', prompt, '--output-format', 'stream-json', '--verbose', '--permission-mode', 'acceptEdits'],
    reader: () => new ClaudeReader(),
  },
  codex: { arguments: (prompt) => ['exec', '--json', '-s', 'workspace-write', prompt], reader: () => new CodexReader() },
  aider: { arguments: (prompt) => ['--message', prompt, ...AIDER_FLAGS], reader: () => new TextReader() },
};

/** After the last word of a program that does not exit by itself (Claude is known to hang there). */
const AFTER_RESULT_MS = 5_000;

/** Drives agents by the headless mode of their command line; never trusts an exit code alone. */
export class HeadlessDriver implements AgentDriver {
  readonly #env: ProgramEnvironment;

  /** `env`: what the programs see, the credentials of their providers included. */
  constructor(env: ProgramEnvironment = PROGRAM_ENVIRONMENT) {
    this.#env = env;
  }

  async start(task: DriverTask, report: (message: string) => void): Promise<DriverSession> {
    const { type, endpoint } = task.agent.profile;
    const known = COMMANDS[type];
    if (known === undefined) return over(failed('refused', `There is no headless mode for agents of type ${type}.`, { retryable: false }));
    if (task.prompt.length > ARGUMENT_CHARACTERS_MAX)
      return over(failed('refused', 'The prompt is too long for a command line.', { retryable: false }));
    const reader = known.reader();
    report('The agent has started.');
    return startProgram({
      driver: 'headless',
      task,
      env: this.#env,
      command: () => Promise.resolve([...wordsOf(endpoint), ...known.arguments(task.prompt)]),
      onLine: (line, finish) => {
        if (reader.take(line)) setTimeout(finish, AFTER_RESULT_MS).unref();
      },
      judge: (end) =>
        end.startFault === undefined
          ? reader.judge(end)
          : failed('exit', `The agent could not be started: ${end.startFault}`, { retryable: false }),
    });
  }

  reattach(_task: DriverTask, facts: JsonObject): Promise<DriverSession | null> {
    return Promise.resolve(facts['driver'] === 'headless' ? endLeftover(facts) : null);
  }

  health(agent: AgentView): Promise<{ readonly available: boolean; readonly detail: string }> {
    return programHealth(agent, this.#env);
  }
}

const over = (outcome: DriverOutcome): DriverSession => ({
  outcome: Promise.resolve(outcome),
  stop: () => Promise.resolve(),
  facts: { driver: 'headless' },
});
