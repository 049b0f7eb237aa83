import { describe, expect, it } from '@jest/globals';
import { eventIdOf, type Notice, type StepId, type StreamId, type TenantId, type WorkflowId } from '@taskmaster/contracts';
import { attemptKey, Relay, TOLD_MS, type OfferedRange, type WorkRange } from './relay.js';

const notice = (position: number): Notice => ({
  eventId: eventIdOf('workflow-wf_1' as StreamId, position),
  position,
  tenantId: 'default' as TenantId,
  workflowId: 'wf_1' as WorkflowId,
  stepId: `s${String(position)}` as StepId,
  attempt: 1,
  kind: 'command.run',
  input: {},
  correlationId: 'c',
});

/** A commit of the positions after `after` up to `upto`; `told` and `notices` by their positions, `answered` by those of the notices. */
const commit = (after: number, upto: number, more: { notices?: number[]; told?: number[]; answered?: number[] }): OfferedRange => ({
  ...{ after, upto, uptoEvent: `event ${String(upto)}` },
  notices: (more.notices ?? []).map(notice),
  told: (more.told ?? []).map(notice),
  answered: (more.answered ?? []).map((position) => attemptKey('wf_1', `s${String(position)}`, 1)),
});

/** A relay at the beginning of a log, what it published, and a clock. */
function relayed(): { relay: Relay; published: string[]; pass: (ms: number) => void } {
  let now = 0;
  const published: string[] = [];
  const publish = ({ after, upto, uptoEvent, notices }: WorkRange): Promise<void> => {
    published.push(
      `${String(after)}-${String(upto)} ${uptoEvent ?? 'nothing new'}: ${notices.map(({ position }) => position).join(' ') || 'no notice'}`,
    );
    return Promise.resolve();
  };
  const relay = new Relay({ publish, readAll: () => Promise.resolve([]), now: () => now }, 0);
  return { relay, published, pass: (ms) => void (now += ms) };
}

describe('a relay', () => {
  it('publishes at once what nobody was told', async () => {
    const { relay, published } = relayed();
    relay.offer(commit(0, 4, { notices: [3] }));
    await relay.drain(false);
    expect(published).toEqual(['0-4 event 4: 3']);
    expect(relay.dueAt).toBeUndefined();
  });

  it('never publishes what was told ahead and is answered in time, and covers the log then', async () => {
    const { relay, published, pass } = relayed();
    relay.offer(commit(0, 4, { told: [3, 4] }));
    await relay.drain(false);
    expect(published).toEqual([]);
    relay.offer(commit(4, 5, { answered: [3] }));
    await relay.drain(false);
    expect(published).toEqual([]);
    relay.offer(commit(5, 6, { answered: [4] }));
    await relay.drain(false);
    expect(published).toEqual(['0-6 event 6: no notice']);
    pass(TOLD_MS);
    await relay.drain(false);
    expect(published).toHaveLength(1);
  });

  it('publishes what was told ahead and not answered when its time is up', async () => {
    const { relay, published, pass } = relayed();
    relay.offer(commit(0, 4, { told: [3, 4] }));
    relay.offer(commit(4, 5, { answered: [3] }));
    await relay.drain(false);
    expect(relay.dueAt).toBe(TOLD_MS);
    pass(TOLD_MS - 1);
    await relay.drain(false);
    expect(published).toEqual([]);
    pass(1);
    await relay.drain(false);
    expect(published).toEqual(['0-5 event 5: 4']);
    expect(relay.dueAt).toBeUndefined();
  });

  it('holds back nothing but what was told, and covers nothing beyond it: whoever leads next tells of it', async () => {
    const { relay, published, pass } = relayed();
    relay.offer(commit(0, 2, {}));
    relay.offer(commit(2, 4, { told: [4] }));
    relay.offer(commit(4, 6, { notices: [5] }));
    await relay.drain(false);
    expect(published).toEqual(['0-2 event 2: no notice', '2-2 nothing new: 5']);
    pass(TOLD_MS);
    await relay.drain(false);
    expect(published.at(-1)).toBe('2-6 event 6: 4');
  });

  it('publishes late notices again at the place that is covered', async () => {
    const { relay, published } = relayed();
    relay.offer(commit(0, 4, { told: [4] }));
    await relay.drain(false);
    await relay.republish([notice(2)]);
    expect(published).toEqual(['0-0 nothing new: 2']);
  });

  it('takes an answer for one attempt only', async () => {
    const { relay, published, pass } = relayed();
    relay.offer(commit(0, 4, { told: [4] }));
    relay.offer({ ...commit(4, 5, {}), answered: [attemptKey('wf_1', 's4', 2), attemptKey('wf_2', 's4', 1)] });
    await relay.drain(false);
    pass(TOLD_MS);
    await relay.drain(false);
    expect(published).toEqual(['0-5 event 5: 4']);
  });
});
