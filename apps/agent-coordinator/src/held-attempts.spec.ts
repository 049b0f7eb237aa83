import { describe, expect, it } from '@jest/globals';
import type { EventId, QueryAsker, StepId, TenantId, WorkflowId } from '@taskmaster/contracts';
import { HeldAttempts, type Held } from './held-attempts.js';
import type { Work } from './steps.js';

const nobody: QueryAsker = { ask: () => Promise.reject(new Error('nobody is asked here')) };
const attempts = (): HeldAttempts => new HeldAttempts(nobody, { holder: 'holder', leaseMs: 60_000, onFault: () => undefined });
const work: Work = {
  eventId: 'event' as EventId,
  tenantId: 'default' as TenantId,
  workflowId: 'wf_1' as WorkflowId,
  stepId: 'step' as StepId,
  attempt: 1,
  kind: 'agent.run',
  correlationId: 'wf_1',
};

describe('holding an attempt', () => {
  it('is not over before a next life of the process could find it', async () => {
    const held = attempts();
    const order: string[] = [];
    let end: () => void = () => undefined;
    const run = async (attempt: Held): Promise<void> => {
      await Promise.resolve();
      order.push('recorded');
      attempt.recorded();
      await new Promise<void>((resolve) => {
        end = resolve;
      });
    };
    await held.hold(work, run);
    order.push('answered');
    expect(order).toEqual(['recorded', 'answered']);
    expect(held.size).toBe(1);
    end();
    await held.drain(1_000);
    expect(held.size).toBe(0);
  });

  it('is over when the work ended without being recorded', async () => {
    const held = attempts();
    await held.hold(work, () => Promise.reject(new Error('the disk is full')));
    await held.drain(1_000);
    expect(held.size).toBe(0);
  });
});
