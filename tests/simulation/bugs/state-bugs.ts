import { deriveUuid, type CommandId } from '@taskmaster/contracts';
import { tenantQuotaKey, type AppendGroup, type AppendOutcome, type GroupOutcome } from '@taskmaster/event-log';
import { foldInto } from '@taskmaster/state-service';
import type { Bug } from '../bug.js';
import type { ReplicaChange } from '../state-replica.js';
import { appending, changingGroups, storeOf, withOpenWork } from './around.js';

type Handler = Parameters<NonNullable<ReplicaChange['handler']>>[0];

export const noSweep: Bug = {
  name: 'no-sweep',
  mistake: 'Nobody looks for steps whose timer came due.',
  replica: { sweepsSteps: false },
};

export const leaseNotNoticed: Bug = {
  name: 'expired-lease-not-noticed',
  mistake: 'The sweep looks at steps that wait and not at those that run.',
  ports: (ports) =>
    withOpenWork(ports, { dueSteps: async (which) => (await ports.openWork.dueSteps(which)).filter(({ status }) => status !== 'running') }),
};

export const retryTimerLost: Bug = {
  name: 'retry-timer-lost',
  mistake: 'The row of a step that waits for its next attempt has no deadline.',
  ports: changingGroups((group) =>
    group.steps === undefined
      ? group
      : { ...group, steps: group.steps.map((step) => (step.status === 'retrying' ? { ...step, dueAt: null } : step)) },
  ),
};

export const queueForgotten: Bug = {
  name: 'queue-forgotten',
  mistake: 'Nobody admits who waits when a slot is free again.',
  replica: { admits: false },
};

export const idsDrawn: Bug = {
  name: 'ids-drawn',
  mistake: 'A client command gets a new id on every try instead of one derived from its key.',
  idOf: ({ key }, fresh) => deriveUuid('drawn', key, String(fresh())) as CommandId,
};

export const notDeduplicated: Bug = {
  name: 'client-command-not-deduplicated',
  mistake: 'The answer to a client command is not stored, so the command is decided again when it comes again.',
  ports: changingGroups((group) => ({ ...group, answers: [] })),
};

export const conflictTakenForDone: Bug = {
  name: 'conflict-taken-for-done',
  mistake: 'A version conflict is answered as if the events had been appended.',
  ports: (ports) =>
    appending(ports, async (groups, wake) => {
      const outcome = await ports.store.append(groups, wake);
      const head = await ports.store.head().catch(() => 0);
      const accepted = (group: GroupOutcome): GroupOutcome =>
        group.kind === 'conflict' ? { kind: 'appended', firstPosition: head + 1, recordedAt: '' as never, hash: '' } : group;
      return { ...outcome, groups: outcome.groups.map(accepted) } satisfies AppendOutcome;
    }),
};

export const cacheBeforeCommit: Bug = {
  name: 'cache-advanced-before-commit',
  mistake: 'The folded state is advanced when a batch is sent, not when it is committed.',
  replica: {
    handler: (handler, { ports }) => {
      const append = ports.store.append.bind(ports.store);
      Reflect.set(handler, 'options', {
        ...(Reflect.get(handler, 'options') as object),
        store: {
          ...storeOf(ports.store),
          append: (groups: readonly AppendGroup[], wake?: boolean) => {
            for (const group of groups) keepEarly(handler, group);
            return append(groups, wake);
          },
        },
      });
    },
  },
};

function keepEarly({ loader }: Handler, group: AppendGroup): void {
  const entry = loader.cached(group.stream);
  if (entry?.version !== group.expectedVersion) return;
  const events = group.events.map((event, i) => ({
    ...event,
    ...{ position: 0, stream: group.stream, version: group.expectedVersion + i + 1, tenantId: group.tenantId },
    ...{ recordedAt: event.occurredAt, hash: entry.hash },
  }));
  loader.keep(foldInto(entry, events));
}

export const quotaIgnored: Bug = {
  name: 'quota-ignored',
  mistake: 'The append takes a place without looking whether one is free.',
  ports: changingGroups((group) => ({ ...group, quotas: group.quotas.map((quota) => ({ ...quota, limit: 1_000 })) })),
};

export const childForgotten: Bug = {
  name: 'child-forgotten',
  mistake: 'The sweep does not look at steps that are child workflows: what a crash left between parent and child stays so.',
  ports: (ports) =>
    withOpenWork(ports, {
      dueSteps: async (which) => (await ports.openWork.dueSteps(which)).filter(({ kind }) => kind !== 'workflow.run'),
    }),
};

export const childTakesSlot: Bug = {
  name: 'child-takes-slot',
  mistake: 'A child workflow takes a slot of its own, so parents that wait for their children can take them all.',
  ports: changingGroups((group) => {
    const asks = group.events.some(({ type, dataText }) => type === 'WorkflowRequested' && dataText.includes('"parent":'));
    const quota = { key: tenantQuotaKey(group.tenantId), kind: 'claim', limit: 4 } as const;
    return asks ? { ...group, quotas: [...group.quotas, quota] } : group;
  }),
};
