import { describe, expect, it } from '@jest/globals';
import {
  DEFAULT_TENANT,
  reactionCommandId,
  StateUnavailable,
  workflowStream,
  type CommandAnswer,
  type CommandEnvelope,
  type EventId,
  type Notice,
  type StepId,
  type WorkflowId,
} from '@taskmaster/contracts';
import { failPoison } from './poison.js';

const NOTICE: Notice = {
  eventId: '5d3a8f3e-8c44-5d0b-9a57-0a5f6f2a9b11' as EventId,
  position: 7,
  tenantId: DEFAULT_TENANT,
  workflowId: 'wf_1' as WorkflowId,
  stepId: 'tm-analyze-1' as StepId,
  attempt: 2,
  kind: 'requirements.parse',
  input: {},
  correlationId: 'corr-1',
};
const ACCEPTED: CommandAnswer = { outcome: 'accepted', stream: workflowStream(NOTICE.workflowId), version: 9, position: 90 };

/** A door that gives one answer and keeps what was sent. */
function door(answer: CommandAnswer): { readonly sent: CommandEnvelope[]; readonly ports: Parameters<typeof failPoison>[0] } {
  const sent: CommandEnvelope[] = [];
  const send = (envelope: CommandEnvelope): Promise<CommandAnswer> => {
    sent.push(envelope);
    return Promise.resolve(answer);
  };
  return { sent, ports: { sender: { send }, now: () => 0 } };
}

describe('a notice that fails every time', () => {
  it('becomes a failed step under the id that its event gives, so that twice is once', async () => {
    const { sent, ports } = door(ACCEPTED);
    await failPoison(ports, NOTICE, new TypeError('secret of the requirement'));
    await failPoison(ports, NOTICE, new TypeError('secret of the requirement'));
    expect(new Set(sent.map(({ id }) => id))).toEqual(new Set([reactionCommandId(NOTICE.eventId, 'FailStep')]));
    expect(sent[0]).toMatchObject({
      stream: 'workflow-wf_1',
      causationId: NOTICE.eventId,
      command: { type: 'FailStep', data: { stepId: 'tm-analyze-1', attempt: 2, error: { type: 'internal', retryable: false } } },
    });
  });

  it('names the class of what was thrown and never its words', async () => {
    const { sent, ports } = door(ACCEPTED);
    await failPoison(ports, NOTICE, new TypeError('secret of the requirement'));
    await failPoison(ports, NOTICE, 'a text');
    expect(JSON.stringify(sent)).toContain('TypeError');
    expect(JSON.stringify(sent)).toContain('unknown error');
    expect(JSON.stringify(sent)).not.toContain('secret');
  });

  it('that failed because the world did may be tried again', async () => {
    const { sent, ports } = door(ACCEPTED);
    await failPoison(ports, NOTICE, new StateUnavailable('nobody answers'));
    expect(sent[0]?.command).toMatchObject({
      data: { error: { type: 'network', retryable: true, detail: { code: 'state-unavailable' } } },
    });
  });

  it('is not given up while its failure is put off', async () => {
    const { ports } = door({ outcome: 'later', code: 'busy', detail: 'a limit is full', retryAfterMs: 10 } as unknown as CommandAnswer);
    await expect(failPoison(ports, NOTICE, new Error('x'))).rejects.toThrow('put off');
  });
});
