// Ours, started as `task-master up` starts it, in a process of its own that supervises like that command does.
import { startPlatformUnderTest } from '../../platform/platform-under-test.js';
import { roleInput } from './role.js';

export interface PlatformReady {
  readonly address: string;
  readonly apiKey: string;
  readonly databaseUrl: string;
  readonly startedInMs: number;
}

export type PlatformProcesses = readonly (readonly [pid: number, name: string])[];

/** The highest that the gateway takes: one key carries the whole load. */
const RATE_LIMIT_OFF = '100000000';

const { concurrent } = roleInput<{ readonly concurrent: number }>();
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect'] as const) {
  process.on(signal, () => {
    interrupted.abort();
  });
}
const platform = await startPlatformUnderTest({
  env: { MAX_CONCURRENT_WORKFLOWS: String(concurrent) },
  variables: { gateway: { RATE_LIMIT_PER_MINUTE: RATE_LIMIT_OFF } },
  simulatedAgent: 'never',
  signal: interrupted.signal,
});
interrupted.signal.addEventListener('abort', () => void platform.discard().then(() => process.exit(0)));
process.on('message', () => {
  process.send?.(platform.processes().map(({ pid, name }) => [pid, name]));
});
const { address, apiKey, databaseUrl, startedInMs } = platform;
process.send?.({ address, apiKey, databaseUrl, startedInMs } satisfies PlatformReady);
