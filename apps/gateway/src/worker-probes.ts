import { CONSUMERS, DEFAULT_TENANT, workStreamOf, type ConsumerName, type QueryAsker } from '@taskmaster/contracts';
import type { Probe, ProbeResult } from '@taskmaster/service-kit';
import type { Broker } from './broker-feed.js';

/** Looks before a worker counts as gone: between two pulls it has no request open for a moment. */
const LOOKS_MAX = 4;
const LOOK_PAUSE_MS = 100;

/** Whether somebody pulls from a consumer: that is what a working reactor does, and nothing else does it. */
export function workerProbe(name: string, consumer: ConsumerName, parts: { readonly asker: QueryAsker; readonly broker: Broker }): Probe {
  return {
    name,
    critical: false,
    check: async (): Promise<ProbeResult> => {
      const { epoch } = await parts.asker.ask('GetCounts', { tenantId: DEFAULT_TENANT }, { deadlineMs: 1_000 });
      const manager = await parts.broker.jetstreamManager();
      for (let look = 0; look < LOOKS_MAX; look += 1) {
        const info = await manager.consumers.info(workStreamOf(epoch), consumer);
        if (info.num_waiting > 0) return { status: 'up', detail: `takes work from ${consumer}` };
        await new Promise((resolve) => setTimeout(resolve, LOOK_PAUSE_MS));
      }
      return { status: 'down', detail: `nobody takes work from ${consumer}` };
    },
  };
}

/** The consumer whose reader stands for a service. */
export const consumerOf = (service: string): ConsumerName => {
  const found = CONSUMERS.find(({ name }) => name.startsWith(`${service}_`));
  if (found === undefined) throw new Error(`${service} has no consumer`);
  return found.name;
};
