import type { CommandSender, QueryAsker } from '@taskmaster/contracts';

/** A client that did not say how long it waits is told after so long that nobody answers; asking again with its key is safe. */
export const ANSWER_MS_MAX = 10_000;
const ANSWER = { deadlineMs: ANSWER_MS_MAX } as const;

/** How long a command may wait for its answer when its client waits that long for the end of its workflow. */
export const patienceOf = (waitSeconds: number): { readonly deadlineMs: number } =>
  waitSeconds * 1_000 > ANSWER_MS_MAX ? { deadlineMs: waitSeconds * 1_000 } : ANSWER;

/** The same doors to state-service, for people: what is asked without a deadline has theirs. */
export const patientDoors = <Doors extends { readonly sender: CommandSender; readonly asker: QueryAsker }>(doors: Doors): Doors => ({
  ...doors,
  sender: { send: (envelope, options = ANSWER) => doors.sender.send(envelope, options) } satisfies CommandSender,
  asker: { ask: (query, question, options = ANSWER) => doors.asker.ask(query, question, options) } satisfies QueryAsker,
});
