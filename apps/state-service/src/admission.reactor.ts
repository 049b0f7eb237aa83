import { eventIdOf, reactionCommandId, type CommandEnvelope, type TenantId } from '@taskmaster/contracts';
import type { OpenWork, QuotaCount } from '@taskmaster/event-log';
import { OneAtATime } from './one-at-a-time.js';

/** Waiting this long counts as one step of priority, so that nothing starves. */
export const AGING_SECONDS = 300;
/** Workflows admitted by one look at the queue. */
export const ADMISSIONS_MAX = 64;

const TENANT_KEY = 'tenant:';

export interface AdmissionOptions {
  readonly openWork: OpenWork;
  readonly slotsMax: number;
  readonly send: (envelope: CommandEnvelope) => Promise<unknown>;
  readonly onFault: (error: unknown) => void;
}

/** Whoever frees a slot admits the next who waits: by priority, with ageing. A sweep is the net for what a crash left waiting. */
export class AdmissionReactor {
  private readonly queues: OneAtATime;

  constructor(private readonly options: AdmissionOptions) {
    this.queues = new OneAtATime((tenantId) => this.admit(tenantId as TenantId), options.onFault);
  }

  /** Looks at the quota rows that a commit left. */
  onQuotas(quotas: readonly QuotaCount[]): void {
    for (const { key, used, waiting } of quotas) {
      if (key.startsWith(TENANT_KEY) && waiting > 0 && used < this.options.slotsMax) this.queues.ask(key.slice(TENANT_KEY.length));
    }
  }

  /** Resolves when nobody is being admitted. */
  idle(): Promise<void> {
    return this.queues.idle();
  }

  async sweep(): Promise<void> {
    this.onQuotas(await this.options.openWork.tenantsWaiting());
  }

  private async admit(tenantId: TenantId): Promise<void> {
    const { openWork, slotsMax, send } = this.options;
    const queued = await openWork.nextQueued(tenantId, { agingSeconds: AGING_SECONDS, limit: Math.min(slotsMax, ADMISSIONS_MAX) });
    // In one turn, so that they share an append; the append lets in as many as there are slots, in this order.
    await Promise.all(
      queued.map(({ stream, version }) => {
        const cause = eventIdOf(stream, version);
        return send({
          id: reactionCommandId(cause, 'AdmitWorkflow'),
          stream,
          tenantId,
          actor: { kind: 'system', id: 'admission' },
          correlationId: cause,
          causationId: cause,
          command: { type: 'AdmitWorkflow', data: {} },
        });
      }),
    );
  }
}
