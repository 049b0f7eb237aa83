import { StateUnavailable, type CommandAnswer, type CommandDoor, type CommandEnvelope, type CommandSender } from '@taskmaster/contracts';
import { backoffOf, DEADLINE_DEFAULT_MS } from './retries.js';
import { systemTimers, type Timers } from './timers.js';

/**
 * Hands commands to a state-service in the same process: no message, and nobody to wake. A command that could not be decided is handed in
 * again with the same id.
 */
export class LocalCommandSender implements CommandSender {
  constructor(
    private readonly door: CommandDoor,
    private readonly timers: Timers = systemTimers,
  ) {}

  send(envelope: CommandEnvelope, options?: { readonly deadlineMs?: number }): Promise<CommandAnswer> {
    return new Promise((resolve, reject) => {
      let isLate = false;
      const endTimer = this.timers.after(options?.deadlineMs ?? DEADLINE_DEFAULT_MS, () => {
        isLate = true;
        reject(new StateUnavailable('no answer in time'));
      });
      void this.#handIn(envelope, () => isLate)
        .then(resolve, reject)
        .finally(endTimer);
    });
  }

  async #handIn(envelope: CommandEnvelope, isLate: () => boolean): Promise<CommandAnswer> {
    for (let tries = 0; ; tries += 1) {
      const { answers } = await this.door.handle({ commands: [envelope] });
      const [answer] = answers;
      if (answer === undefined) throw new TypeError('the reply does not answer the command');
      if (answer.outcome !== 'fault') return answer;
      await new Promise<void>((resolve) => {
        this.timers.after(backoffOf(tries), resolve);
      });
      if (isLate()) throw new StateUnavailable('no answer in time');
    }
  }
}
