// The client of the measurement, in a process of its own: its parent reads /proc exactly around each phase.
import { httpClient } from '../platform/http-client.js';
import { closedLoop, type LoadResult } from './load.js';
import { planOf, type Shape } from './plan-shapes.js';

export interface DriverTarget {
  readonly address: string;
  readonly apiKey: string;
}

export interface Phase {
  readonly shape: Shape;
  readonly steps: number;
  readonly count: number;
  readonly concurrency: number;
  readonly ms?: number;
}

export type DriverAnswer = { readonly ready: true } | { readonly result: LoadResult } | { readonly error: string };

const target = JSON.parse(process.argv[2] ?? '{}') as DriverTarget;
const client = httpClient(target.address, target.apiKey);

async function runOne(body: unknown): Promise<void> {
  const { status, body: answer } = await client.call('POST', '/api/workflows/execute', {
    body,
    headers: { prefer: 'wait=60, return=minimal' },
  });
  const ended = answer as { readonly status?: string; readonly detail?: string; readonly reason?: string } | undefined;
  if (status >= 300 || ended?.status !== 'completed') {
    throw new Error(`answered ${String(status)}: ${ended?.detail ?? ended?.reason ?? ended?.status ?? 'nothing'}`);
  }
}

const tell = (answer: DriverAnswer): void => {
  process.send?.(answer);
};

process.on('message', ({ shape, steps, ...limits }: Phase) => {
  const body = { profile: 'simple', title: `${shape} of ${String(steps)}`, plan: planOf(shape, steps) };
  closedLoop(() => runOne(body), limits).then(
    (result) => {
      tell({ result });
    },
    (error: unknown) => {
      tell({ error: String(error) });
    },
  );
});
process.on('disconnect', () => {
  client.close();
  process.exit(0);
});
tell({ ready: true });
