import { err, Fault, type Notice, type StepError } from '@taskmaster/contracts';
import { settleStep, type Replying } from './reply.js';

/** Why a notice could not be done, by the class of what was thrown; its message may hold anything and is not passed on. */
function errorOf(error: unknown): StepError {
  if (error instanceof Fault)
    return {
      type: 'network',
      message: `The world failed again and again: ${error.code}.`,
      retryable: error.retryable,
      detail: { code: error.code },
    };
  return {
    type: 'internal',
    message: `Understanding failed again and again: ${error instanceof Error ? error.name : 'unknown error'}.`,
    retryable: false,
  };
}

/** Records a notice that fails every time as a failed step, so that the dead letter is in the log. @throws Fault */
export async function failPoison(ports: Replying, notice: Notice, error: unknown): Promise<void> {
  const outcome = await settleStep(ports, notice, ports.now(), err(errorOf(error)));
  if (outcome.kind === 'later') throw new Error('the failure of a poison notice was put off');
}
