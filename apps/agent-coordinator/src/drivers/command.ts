import { constants } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentView, JsonObject } from '@taskmaster/contracts';
import type { AgentDriver, DriverSession, DriverTask } from '../driver.js';
import { failed } from './failures.js';
import { endLeftover, PROGRAM_ENVIRONMENT, programCandidates, startProgram, wordsOf, type ProgramEnvironment } from './program.js';
import { redact } from './screen-tail.js';

/**
 * Drives any program: its command line is the agent's endpoint, run in the worktree. `{prompt_file}` and `{workspace}` in a word are
 * replaced; without `{prompt_file}` the path of the prompt's file is the last argument. Exit code 0 is a claim, anything else a failure.
 */
export class CommandDriver implements AgentDriver {
  readonly #env: ProgramEnvironment;

  constructor(env: ProgramEnvironment = PROGRAM_ENVIRONMENT) {
    this.#env = env;
  }

  start(task: DriverTask, report: (message: string) => void): Promise<DriverSession> {
    const command = async (home: string): Promise<readonly string[]> => {
      const file = join(home, 'prompt.md');
      await writeFile(file, task.prompt);
      const words = wordsOf(task.agent.profile.endpoint);
      const filled = words.map((word) => word.replaceAll('{prompt_file}', file).replaceAll('{workspace}', task.workspace));
      return words.some((word) => word.includes('{prompt_file}')) ? filled : [...filled, file];
    };
    report('The program has started.');
    return startProgram({
      driver: 'command',
      task,
      env: this.#env,
      command,
      onLine: () => undefined,
      judge: ({ exitCode, startFault, tail }) => {
        const output = redact(tail);
        if (startFault !== undefined) return failed('exit', `The program could not be started: ${startFault}`, { retryable: false });
        if (exitCode !== 0)
          return failed('exit', `The program ended with ${exitCode === undefined ? 'a signal' : `exit code ${String(exitCode)}`}.`, {
            detail: { output },
          });
        return { kind: 'finished', summary: output.trim().split('\n').at(-1) ?? '', transcriptTail: output };
      },
    });
  }

  reattach(_task: DriverTask, facts: JsonObject): Promise<DriverSession | null> {
    return Promise.resolve(facts['driver'] === 'command' ? endLeftover(facts) : null);
  }

  health(agent: AgentView): Promise<{ readonly available: boolean; readonly detail: string }> {
    return programHealth(agent, this.#env);
  }
}

/** Whether the program of an agent is there and may be run. */
export async function programHealth(
  agent: AgentView,
  env: ProgramEnvironment,
): Promise<{ readonly available: boolean; readonly detail: string }> {
  for (const file of programCandidates(agent.profile.endpoint, env)) {
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return { available: true, detail: 'the program is installed' };
  }
  return { available: false, detail: 'the program is not installed' };
}
