import type { QueryAsker } from '@taskmaster/contracts';
import { checkHealth, type Probe } from '@taskmaster/service-kit';

export interface ComponentHealth {
  readonly status: 'up' | 'down';
  readonly detail: string;
}

/** The one health model: rendered by HTTP, the command line and the probes. Components that are switched off are absent. */
export interface PlatformHealth {
  readonly service: 'gateway';
  readonly status: 'up' | 'degraded' | 'down';
  readonly draining: boolean;
  readonly uptimeSeconds: number;
  readonly components: Readonly<Record<string, ComponentHealth>>;
}

/** Long enough for a dead dependency to be noticed, short enough for a probe. */
const PROBE_LIMIT_MS = 2_000;
/** How long a report is given again, so that probes of many watchers cost one. */
const REPORT_CACHE_MS = 500;

/** The database as state-service sees it, through the broker: the way every request goes. */
export const databaseProbe = (asker: QueryAsker): Probe => ({
  name: 'database',
  critical: true,
  check: async () => {
    const { database, detail } = await asker.ask('GetHealth', {}, { deadlineMs: PROBE_LIMIT_MS });
    return { status: database, detail };
  },
});

/** Asks every part of the platform how it is. */
export class Health {
  private draining = false;
  private latest: { readonly at: number; readonly report: Promise<PlatformHealth> } | undefined;

  constructor(
    private readonly probes: readonly Probe[],
    private readonly now: () => number,
  ) {}

  /** From here on the process is not ready. */
  drain(): void {
    this.draining = true;
    this.latest = undefined;
  }

  report(): Promise<PlatformHealth> {
    const now = this.now();
    if (this.latest === undefined || now - this.latest.at > REPORT_CACHE_MS) this.latest = { at: now, report: this.ask() };
    return this.latest.report;
  }

  private async ask(): Promise<PlatformHealth> {
    const { status, draining, uptimeSeconds, probes } = await checkHealth('gateway', this.probes, {
      draining: this.draining,
      limitMs: PROBE_LIMIT_MS,
    });
    const components = Object.fromEntries(probes.map((probe) => [probe.name, { status: probe.status, detail: probe.detail }]));
    return { service: 'gateway', status, draining, uptimeSeconds, components };
  }
}
