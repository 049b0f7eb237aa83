import { describe, expect, it } from '@jest/globals';
import { clientCommandId, DEFAULT_TENANT, type CommandId, type EventType, type StreamId, type TenantId } from '@taskmaster/contracts';
import { parseClientRecords, type ClientRecord } from './client-records.js';
import { ClientAnswers, type PlacedEvent } from './client-rules.js';

const W = 'workflow-w';
const of = (key: string): CommandId => clientCommandId(DEFAULT_TENANT, key);

/** A log of these events, each of its stream's next version. */
function logOf(...told: readonly (readonly [stream: string, type: EventType, commandId: string, tenant?: string])[]): PlacedEvent[] {
  const versions = new Map<string, number>();
  return told.map(([stream, type, commandId, tenantId = DEFAULT_TENANT], index) => {
    const version = (versions.get(stream) ?? 0) + 1;
    versions.set(stream, version);
    return {
      position: index + 1,
      stream: stream as StreamId,
      version,
      tenantId: tenantId as TenantId,
      type,
      commandId: commandId as CommandId,
    };
  });
}

const LOG = logOf(
  [W, 'WorkflowRequested', of('one')],
  [W, 'WorkflowAdmitted', of('one')],
  ['access-default', 'ApiKeyIssued', 'x'],
  ['workflow-v', 'WorkflowRequested', of('two')],
  [W, 'WorkflowEnded', 'y'],
);
const accepted = (key: string, stream: string, version: number, position: number): ClientRecord => ({
  kind: 'accepted',
  key,
  stream,
  version,
  position,
});
const refused = (key: string, code: string): ClientRecord => ({ kind: 'refused', key, stream: W, code });
const followed = (after = 0, stream?: string): ClientRecord => ({
  kind: 'followed',
  feed: 'f',
  after,
  ...(stream === undefined ? {} : { stream }),
});
const seen = (position: number, changes: Partial<PlacedEvent> = {}): ClientRecord => {
  const { stream, version, type } = { ...(LOG[position - 1] ?? LOG[0]!), ...changes };
  return { kind: 'seen', feed: 'f', position, stream, version, type };
};

function violations(records: readonly ClientRecord[], log = LOG): readonly string[] {
  const rule = new ClientAnswers(records, DEFAULT_TENANT);
  for (const event of log) rule.see(event);
  rule.end();
  return rule.findings.flatMap((findings) => findings.report().violations);
}

describe('what clients were told (I4)', () => {
  it('holds when every acceptance is in the log, a refusal left nothing and a feed is a prefix', () => {
    const records = [
      accepted('one', W, 2, 2),
      accepted('one', W, 2, 2),
      accepted('two', 'workflow-v', 1, 4),
      accepted('idle', W, 0, 0),
      refused('three', 'invalid-transition'),
      refused('three', 'invalid-transition'),
      followed(),
      seen(1),
      seen(2),
      seen(4),
    ];
    expect(violations(records)).toEqual([]);
  });

  it('counts what it checked', () => {
    const rule = new ClientAnswers([accepted('one', W, 2, 2), followed(), seen(1)], DEFAULT_TENANT);
    for (const event of LOG) rule.see(event);
    expect(rule.findings[0]?.report()).toMatchObject({ number: 4, checked: 4, violations: [] });
  });

  it('finds an acceptance that is not in the log', () => {
    expect(violations([accepted('lost', W, 6, 6)])).toEqual([
      `I4: key lost was accepted as ${W} version 6 at 6, where the log has nothing`,
    ]);
  });

  it('finds an acceptance at another version, of another stream, or of another command', () => {
    expect(violations([accepted('one', W, 3, 2)])).toHaveLength(1);
    expect(violations([accepted('one', 'workflow-v', 2, 2)])).toHaveLength(1);
    expect(violations([accepted('other', W, 2, 2)])).toHaveLength(1);
  });

  it('finds an acceptance whose place another tenant has', () => {
    expect(violations([accepted('one', W, 1, 1)], logOf([W, 'WorkflowRequested', of('one'), 'other']))).toHaveLength(1);
  });

  it('finds a key that was answered in two ways', () => {
    expect(violations([accepted('one', W, 2, 2), accepted('one', W, 2, 5)])).toEqual([
      `I4: key one was answered "accepted as ${W} version 2 at 2" and "accepted as ${W} version 2 at 5"`,
    ]);
    expect(violations([refused('three', 'invalid-transition'), refused('three', 'workflow-not-found')])).toHaveLength(1);
    expect(violations([accepted('one', W, 2, 2), refused('one', 'invalid-transition')])).toHaveLength(1);
  });

  it('finds a refused command that left an event', () => {
    expect(violations([refused('two', 'plan-invalid')])).toEqual([
      'I4: the command of key two was refused and made WorkflowRequested at 4 (workflow-v version 1)',
    ]);
  });

  it('finds an event that a feed missed, but not a confidential one', () => {
    expect(violations([followed(), seen(1), seen(4)])).toEqual([`I4: feed f missed WorkflowAdmitted at 2 (${W} version 2)`]);
    expect(violations([followed(2), seen(4)])).toEqual([]);
    expect(violations([followed(2), seen(3), seen(4)])).toEqual([]);
  });

  it('finds an event that a feed shows and the log does not have', () => {
    expect(violations([followed(), seen(1), seen(2, { type: 'WorkflowEnded' })])).toHaveLength(1);
    expect(violations([followed(4), seen(5), seen(6)])).toEqual([
      `I4: feed f saw WorkflowRequested at 6 (${W} version 1), which is not in the log`,
    ]);
    expect(violations([followed(0, W), seen(1), seen(2), seen(4), seen(5)])).toHaveLength(1);
  });

  it('finds a feed that goes back, was opened twice, or was never opened', () => {
    expect(violations([followed(), seen(1), seen(2), seen(2)])).toEqual(['I4: feed f saw position 2 after 2']);
    expect(violations([followed(), followed()])).toHaveLength(1);
    expect(violations([seen(1)])).toHaveLength(1);
  });

  it('follows one stream only where that was asked for', () => {
    expect(violations([followed(0, W), seen(1), seen(2), seen(5)])).toEqual([]);
    expect(violations([followed(0, W), seen(1), seen(5)])).toEqual([`I4: feed f missed WorkflowAdmitted at 2 (${W} version 2)`]);
  });
});

describe('a file of records', () => {
  it('is read line by line', () => {
    const records = [accepted('one', W, 2, 2), refused('three', 'x'), followed(), seen(1)];
    const parsed = parseClientRecords(`${records.map((record) => JSON.stringify(record)).join('\n\n')}\n`);
    expect(parsed).toEqual({ ok: true, value: records });
  });

  it('is refused with the number of the first line that is none', () => {
    const good = JSON.stringify(followed());
    for (const bad of ['{', '7', '{"kind":"seen","feed":"f"}', '{"kind":"other"}', '{"kind":"toString"}']) {
      expect(parseClientRecords(`${good}\n${bad}`)).toEqual({ ok: false, error: "line 2 is not a client's record" });
    }
  });
});
