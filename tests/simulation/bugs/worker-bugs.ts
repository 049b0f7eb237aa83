import type { AppendGroup } from '@taskmaster/event-log';
import type { Bug } from '../bug.js';
import type { DatabasePorts } from '../database.js';

export const acknowledgedBeforeAnswer: Bug = {
  name: 'acknowledged-before-answer',
  mistake: 'A worker acknowledges a notice when it has it, not when its effect is recorded.',
  worker: {
    notice: (handler) => (notice, context) => {
      handler(notice, context).catch(() => undefined);
      return Promise.resolve({ kind: 'answered' });
    },
  },
};

export const heldTakenForOurs: Bug = {
  name: 'held-taken-for-ours',
  mistake: 'A worker that is told that another holds the attempt works on it nevertheless.',
  worker: {
    coordinator: (c) => {
      const reporter = Object.create(c.reporter) as typeof c.reporter;
      reporter.start = async (work, assignment) => {
        const answer = await c.reporter.start(work, assignment);
        return answer.outcome === 'held' ? { outcome: 'accepted', stream: '' as never, version: 0, position: 0 } : answer;
      };
      return { ...c, reporter };
    },
  },
};

export const holderNotChecked: Bug = {
  name: 'holder-not-checked',
  mistake: 'Whoever reports an attempt settles it, whether it holds it or not.',
  replica: {
    handle: async (envelope, handler, { ports }) => {
      const { command } = envelope;
      if (command.type !== 'CompleteStep' && command.type !== 'FailStep') return handler.handle(envelope);
      const { holder, attempt } = await standing(ports, envelope.stream, command.data.stepId);
      const data = { ...command.data, attempt: attempt ?? command.data.attempt, by: holder ?? command.data.by };
      return handler.handle({ ...envelope, command: { ...command, data } as typeof command });
    },
  },
};

export const attemptNotChecked: Bug = {
  name: 'attempt-not-checked',
  mistake: 'A report that comes again settles whatever attempt is current.',
  replica: {
    handle: async (envelope, handler, { ports }) => {
      const { command } = envelope;
      if (command.type !== 'CompleteStep' && command.type !== 'FailStep') return handler.handle(envelope);
      const { attempt } = await standing(ports, envelope.stream, command.data.stepId);
      const data = { ...command.data, attempt: attempt ?? command.data.attempt };
      return handler.handle({ ...envelope, command: { ...command, data } as typeof command });
    },
  },
};

/** Who holds a step now, in which attempt, as its events tell. */
async function standing(
  ports: DatabasePorts,
  stream: AppendGroup['stream'],
  stepId: string,
): Promise<{ readonly holder?: string; readonly attempt?: number }> {
  const events = await ports.store.readStream(stream, 0).catch(() => []);
  let found: { readonly holder?: string; readonly attempt?: number } = {};
  for (const { type, dataText } of events) {
    if (type !== 'StepStarted' && type !== 'StepReadied') continue;
    const data = JSON.parse(dataText) as { readonly stepId: string; readonly holder?: string; readonly attempt: number };
    if (data.stepId === stepId) found = data;
  }
  return found;
}
