export type HealthStatus = 'up' | 'degraded' | 'down';

/** What a probe found. `down` of a critical probe makes the service not ready; of another one, degraded. */
export interface ProbeResult {
  readonly status: 'up' | 'down';
  readonly detail: string;
}

export interface Probe {
  readonly name: string;
  readonly critical: boolean;
  readonly check: () => Promise<ProbeResult> | ProbeResult;
}

export interface HealthReport {
  readonly service: string;
  readonly status: HealthStatus;
  readonly draining: boolean;
  readonly uptimeSeconds: number;
  readonly probes: readonly (ProbeResult & { readonly name: string; readonly critical: boolean; readonly durationMs: number })[];
}

const PROBE_LIMIT_MS = 2_000;

/** Asks every probe at once and says what it means for the service. Never throws: a probe that does, or is late, is down. */
export async function checkHealth(
  service: string,
  probes: readonly Probe[],
  options: { readonly draining?: boolean; readonly limitMs?: number } = {},
): Promise<HealthReport> {
  const found = await Promise.all(probes.map((probe) => runProbe(probe, options.limitMs ?? PROBE_LIMIT_MS)));
  const draining = options.draining === true;
  return { service, status: statusOf(found, draining), draining, uptimeSeconds: Math.floor(process.uptime()), probes: found };
}

function statusOf(found: HealthReport['probes'], draining: boolean): HealthStatus {
  if (draining || found.some((probe) => probe.critical && probe.status === 'down')) return 'down';
  return found.some((probe) => probe.status === 'down') ? 'degraded' : 'up';
}

async function runProbe(probe: Probe, limitMs: number): Promise<HealthReport['probes'][number]> {
  const startedAt = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ProbeResult>((resolve) => {
    timer = setTimeout(() => resolve({ status: 'down', detail: `no answer within ${String(limitMs)} ms` }), limitMs);
  });
  const asked = Promise.resolve()
    .then(() => probe.check())
    // The message of an error can hold an address with a password; its name cannot.
    .catch((error: unknown): ProbeResult => ({ status: 'down', detail: error instanceof Error ? error.name : 'failed' }));
  const result = await Promise.race([asked, late]);
  clearTimeout(timer);
  return { name: probe.name, critical: probe.critical, ...result, durationMs: Math.round(performance.now() - startedAt) };
}
