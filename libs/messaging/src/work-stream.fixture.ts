import { deriveUuid, HEADER_AFTER, HEADER_UPTO, workStreamOf, type Notice, type NoticeMessage, type StepKind } from '@taskmaster/contracts';
import type { JetStreamManager } from 'nats';

/** The notice of a workflow of its own. */
export const notice = (n: number, kind: StepKind = 'command.run'): Omit<Notice, 'position'> => ({
  eventId: deriveUuid('event', String(n)) as Notice['eventId'],
  tenantId: 'default' as Notice['tenantId'],
  workflowId: `wf_${String(n)}` as Notice['workflowId'],
  stepId: 'a' as Notice['stepId'],
  attempt: 1,
  kind,
  input: {},
  correlationId: 'spec',
});

export const notices = (from: number, count: number, kind?: StepKind): Omit<Notice, 'position'>[] =>
  Array.from({ length: count }, (_, index) => notice(from + index, kind));

export interface Stored {
  readonly after: number;
  readonly upto: number;
  readonly positions: readonly number[];
}

/** What an epoch's stream holds, message by message. */
export async function storedIn(manager: JetStreamManager, epoch: number): Promise<readonly Stored[]> {
  const stream = workStreamOf(epoch);
  const { state } = await manager.streams.info(stream);
  const found: Stored[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const { header, data } = await manager.streams.getMessage(stream, { seq });
    const { notices: held } = JSON.parse(new TextDecoder().decode(data)) as NoticeMessage;
    found.push({
      after: Number(header.get(HEADER_AFTER)),
      upto: Number(header.get(HEADER_UPTO)),
      positions: held.map(({ position }) => position),
    });
  }
  return found;
}
