import { describe, expect, it } from '@jest/globals';
import {
  deriveUuid,
  StateUnavailable,
  type CommandDoor,
  type CommandEnvelope,
  type CommandId,
  type CommandReply,
  type CommandRequest,
  type StreamId,
  type TenantId,
} from '@taskmaster/contracts';
import { LocalCommandSender } from './index.js';

const ENVELOPE: CommandEnvelope = {
  id: deriveUuid('spec', 'local') as CommandId,
  stream: 'workflow-1' as StreamId,
  tenantId: 'default' as TenantId,
  actor: { kind: 'service', id: 'spec' },
  correlationId: 'spec',
  command: { type: 'PauseWorkflow', data: { reason: 'spec' } },
};
const ACCEPTED = { outcome: 'accepted', stream: ENVELOPE.stream, version: 1, position: 1 } as const;
const FAULT: CommandReply = { answers: [{ outcome: 'fault', detail: 'the database is away' }] };

/** A door that gives these answers one after the other, and keeps what it was asked. */
function doorTo(...replies: readonly (CommandReply | Promise<CommandReply>)[]): CommandDoor & { readonly asked: CommandRequest[] } {
  const asked: CommandRequest[] = [];
  const left = [...replies];
  return {
    asked,
    handle: (request) => {
      asked.push(request);
      return Promise.resolve(left.shift() ?? FAULT);
    },
  };
}

describe('LocalCommandSender', () => {
  it('hands a command in as it is', async () => {
    const door = doorTo({ answers: [ACCEPTED] });
    expect(await new LocalCommandSender(door).send(ENVELOPE)).toEqual(ACCEPTED);
    expect(door.asked).toEqual([{ commands: [ENVELOPE] }]);
  });

  it('hands in again, unchanged, what could not be decided', async () => {
    const door = doorTo(FAULT, FAULT, { answers: [ACCEPTED] });
    expect(await new LocalCommandSender(door).send(ENVELOPE)).toEqual(ACCEPTED);
    expect(door.asked.map(({ commands }) => commands)).toEqual([[ENVELOPE], [ENVELOPE], [ENVELOPE]]);
  });

  it('gives up at its deadline, whether the answer is a fault again and again or does not come', async () => {
    const never = new Promise<CommandReply>(() => undefined);
    for (const door of [doorTo(), doorTo(never)]) {
      await expect(new LocalCommandSender(door).send(ENVELOPE, { deadlineMs: 60 })).rejects.toThrow(StateUnavailable);
    }
  });
});
