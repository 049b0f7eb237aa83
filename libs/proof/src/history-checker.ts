import { DEFAULT_TENANT, type InvariantReport, type TenantId } from '@taskmaster/contracts';
import type { LoggedEvent, Sha256 } from './chain.js';
import { ChildrenOfParents } from './children-rules.js';
import type { ClientRecord } from './client-records.js';
import { ClientAnswers } from './client-rules.js';
import type { LogRule } from './invariant.js';
import { Chains, CommandRuns, DensePositions } from './log-rules.js';
import { Limits, OneWorkflowPerTask, WorkflowHistories } from './workflow-rules.js';

export interface HistoryCheckerOptions {
  readonly sha256: Sha256;
  /** `MAX_CONCURRENT_WORKFLOWS`, where it is known and was the same all along. */
  readonly slotsMax?: number;
  /** What clients of one tenant kept; without them invariant 4 is not checked. */
  readonly records?: Iterable<ClientRecord>;
  /** Whose clients they were; default: the default tenant's. */
  readonly tenantId?: TenantId;
}

/** Checks the invariants of design 15 that can be read from a log: 1, 2, 3, 6, 7, 9, 10, 12, 14 and 15, and 4 with clients' records. Feed it the log in order. */
export class HistoryChecker {
  private readonly chains: Chains;
  private readonly rules: readonly LogRule[];
  private position = 0;

  constructor({ sha256, slotsMax, records, tenantId = DEFAULT_TENANT }: HistoryCheckerOptions) {
    this.chains = new Chains(sha256);
    this.rules = [
      new DensePositions(),
      this.chains,
      new CommandRuns(),
      new WorkflowHistories(),
      new Limits(slotsMax),
      new OneWorkflowPerTask(),
      new ChildrenOfParents(),
      ...(records === undefined ? [] : [new ClientAnswers(records, tenantId)]),
    ];
  }

  /** The last position seen. */
  get head(): number {
    return this.position;
  }

  get streams(): number {
    return this.chains.streams;
  }

  see(event: LoggedEvent): void {
    const data: unknown = JSON.parse(event.dataText);
    for (const rule of this.rules) rule.see(event, data);
    this.position = event.position;
  }

  /** What is broken already, before the last event. */
  get violations(): readonly string[] {
    return this.rules.flatMap(({ findings }) => findings.flatMap(({ violations }) => violations));
  }

  /** Call once, after the last event. Ordered by the number of the invariant. */
  report(): readonly InvariantReport[] {
    for (const rule of this.rules) rule.end?.();
    return this.rules
      .flatMap(({ findings }) => findings)
      .map((findings) => findings.report())
      .sort((a, b) => a.number - b.number);
  }
}

/** Checks a whole history at once. */
export function checkHistory(events: Iterable<LoggedEvent>, options: HistoryCheckerOptions): readonly InvariantReport[] {
  const checker = new HistoryChecker(options);
  for (const event of events) checker.see(event);
  return checker.report();
}
