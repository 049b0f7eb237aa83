import { eventIdOf, reactionCommandId, type CommandEnvelope, type TenantId } from '@taskmaster/contracts';
import type { OpenWork, QuotaCount } from '@taskmaster/event-log';

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
  private readonly running = new Map<string, { again: boolean }>();

  constructor(private readonly options: AdmissionOptions) {}

  /** Looks at the quota rows that a commit left. */
  onQuotas(quotas: readonly QuotaCount[]): void {
    for (const { key, used, waiting } of quotas) {
      if (key.startsWith(TENANT_KEY) && waiting > 0 && used < this.options.slotsMax) this.start(key);
    }
  }

  async sweep(): Promise<void> {
    this.onQuotas(await this.options.openWork.tenantsWaiting());
  }

  /** One look per tenant at a time; a slot freed meanwhile makes it look again. */
  private start(key: string): void {
    const running = this.running.get(key);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const run = { again: false };
    this.running.set(key, run);
    void this.admit(key.slice(TENANT_KEY.length) as TenantId)
      .catch(this.options.onFault)
      .finally(() => {
        this.running.delete(key);
        if (run.again) this.start(key);
      });
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
