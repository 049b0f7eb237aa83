import { Fault } from '@taskmaster/contracts';

/** The server granted other limits than were asked for. Nothing runs on limits that nobody chose. */
export class TopologyDiffers extends Fault {
  override readonly name = 'TopologyDiffers';
  readonly code = 'topology-differs';
  readonly retryable = false;

  constructor(where: string, differences: readonly string[]) {
    super(`${where} differs from what was asked for: ${differences.join('; ')}`);
  }
}

/** The broker has positions that the log does not: Postgres lost commits. A human has to look before anything is published. */
export class LogRegressed extends Fault {
  override readonly name = 'LogRegressed';
  readonly code = 'log-regressed';
  readonly retryable = false;

  /** A position that was published and is not in the log. */
  static at(published: number, head: number): LogRegressed {
    return new LogRegressed(`position ${String(published)} was published, but the log ends at ${String(head)}`);
  }

  /** A position that was published with another event than the log has there. */
  static otherwise(position: number, published: string, logged: string): LogRegressed {
    return new LogRegressed(`position ${String(position)} was published as ${published}, but is ${logged} in the log`);
  }

  /** An epoch that was begun and that the log does not remember. */
  static beforeEpoch(begun: number, known: number): LogRegressed {
    return new LogRegressed(`epoch ${String(begun)} of the work stream was begun, but the log only knows of ${String(known)}`);
  }
}

/** Publishing cannot go on from here: another publisher, a lost stream or no answer. Open again if still the leader. */
export class WorkStreamLost extends Fault {
  override readonly name = 'WorkStreamLost';
  readonly code = 'work-stream-lost';
  readonly retryable = true;

  constructor(
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`the work stream cannot be extended: ${reason}`, options);
  }
}
