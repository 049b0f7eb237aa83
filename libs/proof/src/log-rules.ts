import { CHAIN_START } from '@taskmaster/contracts';
import { expectedHash, type LoggedEvent, type Sha256 } from './chain.js';
import { Findings, type LogRule } from './invariant.js';

/** I1: positions are 1..N without holes, and the time they were recorded never goes back. */
export class DensePositions implements LogRule {
  private readonly dense = new Findings(1, 'positions are dense and in commit order');
  readonly findings = [this.dense];
  private position = 0;
  private recordedAt = '';

  see({ position, recordedAt }: LoggedEvent): void {
    const expected = this.position + 1;
    this.dense.check(position === expected, () => `position ${String(position)} where ${String(expected)} belongs`);
    if (this.recordedAt !== '')
      this.dense.check(recordedAt >= this.recordedAt, () => `position ${String(position)} was recorded before the one ahead of it`);
    this.position = position;
    this.recordedAt = recordedAt;
  }
}

/** I2: versions are 1..n in each stream and the hash chain verifies. */
export class Chains implements LogRule {
  private readonly chain = new Findings(2, 'versions are dense and the hash chain verifies');
  readonly findings = [this.chain];
  private readonly heads = new Map<string, { readonly version: number; readonly hash: string; readonly tenantId: string }>();

  constructor(private readonly sha256: Sha256) {}

  get streams(): number {
    return this.heads.size;
  }

  see(event: LoggedEvent): void {
    const { stream, version, tenantId } = event;
    const head = this.heads.get(stream) ?? { version: 0, hash: CHAIN_START, tenantId };
    this.chain.check(version === head.version + 1, () => `${stream}: version ${String(version)} where ${String(head.version + 1)} belongs`);
    this.chain.check(tenantId === head.tenantId, () => `${stream}: version ${String(version)} belongs to another tenant`);
    this.chain.check(
      event.hash === expectedHash(head.hash, event, this.sha256),
      () => `${stream}: the hash of version ${String(version)} does not follow from its content`,
    );
    this.heads.set(stream, { version, hash: event.hash, tenantId: head.tenantId });
  }
}

/** I3: a command id belongs to one stream, and a person's to one contiguous run of it; a run has one cause, so two commands never share an id. */
export class CommandRuns implements LogRule {
  private readonly runs = new Findings(3, 'a client command has one stream and one run of events');
  readonly findings = [this.runs];
  private readonly seen = new Map<string, Pick<LoggedEvent, 'stream' | 'version' | 'causationId'>>();

  see({ commandId, stream, version, actor, causationId }: LoggedEvent): void {
    const before = this.seen.get(commandId);
    if (before !== undefined) {
      const goesOn = before.version + 1 === version;
      const holds = before.stream === stream && (goesOn ? before.causationId === causationId : actor.kind !== 'user');
      this.runs.check(
        holds,
        () => `command ${commandId} made ${before.stream} ${String(before.version)} and later ${stream} ${String(version)}`,
      );
    } else this.runs.check(true, () => '');
    this.seen.set(commandId, { stream, version, ...(causationId === undefined ? {} : { causationId }) });
  }
}
