import { deriveUuid, type CommandId, type Notice } from '@taskmaster/contracts';
import type { AppendGroup, AppendOutcome, EventStore, GroupOutcome } from '@taskmaster/event-log';
import { foldInto } from '@taskmaster/state-service';
import type { MsgHdrs, NatsConnection } from 'nats';
import type { Bug } from './bug.js';
import type { DatabasePorts } from './database.js';
import type { ReplicaChange } from './state-replica.js';

const EXPECTED_LAST_SEQUENCE = 'Nats-Expected-Last-Sequence';

/** The same connection, with another way to publish. */
function publishing(
  connection: NatsConnection,
  publish: (subject: string, payload: string, more?: { headers?: MsgHdrs; reply?: string }) => void,
): NatsConnection {
  return new Proxy(connection, { get: (target, name): unknown => (name === 'publish' ? publish : bound(target, name)) });
}

function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name);
  return typeof value === 'function' ? (value.bind(target) as unknown) : value;
}

/** The same store, with another append. */
const appending = (ports: DatabasePorts, append: EventStore['append']): DatabasePorts => ({
  ...ports,
  store: new Proxy(ports.store, { get: (target, name) => (name === 'append' ? append : bound(target, name)) }),
});

/** The same store, its groups changed on the way in. */
const changingGroups =
  (change: (group: AppendGroup) => AppendGroup): NonNullable<Bug['ports']> =>
  (ports) =>
    appending(ports, (groups, wake) => ports.store.append(groups.map(change), wake));

const withOpenWork = (ports: DatabasePorts, change: Partial<DatabasePorts['openWork']>): DatabasePorts => ({
  ...ports,
  openWork: new Proxy(ports.openWork, {
    get: (target, name): unknown => bound(Object.hasOwn(change, name) ? change : target, name),
  }),
});

const fenceNotChecked: Bug = {
  name: 'fence-not-checked',
  mistake: 'Notices are published without the sequence that they must follow, so two leaders can both extend the stream.',
  connection: (connection) =>
    publishing(connection, (subject, payload, more) => {
      more?.headers?.delete(EXPECTED_LAST_SEQUENCE);
      connection.publish(subject, payload, more);
    }),
};

const epochNotRaised: Bug = {
  name: 'epoch-not-raised',
  mistake: 'A lost stream is made anew under the same epoch, so what is left of the old one is taken for the new one.',
  ports: (ports) => ({ ...ports, epochs: { ...bind(ports.epochs), bump: (from) => Promise.resolve(Math.max(1, from)) } }),
};

const bind = (epochs: DatabasePorts['epochs']): DatabasePorts['epochs'] => ({
  current: () => epochs.current(),
  bump: (from) => epochs.bump(from),
  acknowledge: (epoch, upto) => epochs.acknowledge(epoch, upto),
});

const idsDrawn: Bug = {
  name: 'ids-drawn',
  mistake: 'A client command gets a new id on every try instead of one derived from its key.',
  idOf: ({ key }, fresh) => deriveUuid('drawn', key, String(fresh())) as CommandId,
};

const acknowledgedBeforeAnswer: Bug = {
  name: 'acknowledged-before-answer',
  mistake: 'A worker acknowledges a notice when it has it, not when its effect is recorded.',
  worker: {
    notice: (handler) => (notice, context) => {
      handler(notice, context).catch(() => undefined);
      return Promise.resolve({ kind: 'answered' });
    },
  },
};

const noSweep: Bug = {
  name: 'no-sweep',
  mistake: 'Nobody looks for steps whose timer came due.',
  replica: { sweepsSteps: false },
};

const heldTakenForOurs: Bug = {
  name: 'held-taken-for-ours',
  mistake: 'A worker that is told that another holds the attempt works on it nevertheless.',
  worker: {
    coordinator: (c) => {
      const reporter = Object.create(c.reporter) as typeof c.reporter;
      reporter.start = async (work, assignment) => {
        const answer = await c.reporter.start(work, assignment);
        return answer.outcome === 'held' ? { outcome: 'accepted', stream: '' as never, version: 0, position: 0 } : answer;
      };
      return { ...c, reporter };
    },
  },
};

const holderNotChecked: Bug = {
  name: 'holder-not-checked',
  mistake: 'Whoever reports an attempt settles it, whether it holds it or not.',
  replica: {
    handle: async (envelope, handler, { ports }) => {
      const { command } = envelope;
      if (command.type !== 'CompleteStep' && command.type !== 'FailStep') return handler.handle(envelope);
      const { holder, attempt } = await standing(ports, envelope.stream, command.data.stepId);
      const data = { ...command.data, attempt: attempt ?? command.data.attempt, by: holder ?? command.data.by };
      return handler.handle({ ...envelope, command: { ...command, data } as typeof command });
    },
  },
};

const attemptNotChecked: Bug = {
  name: 'attempt-not-checked',
  mistake: 'A report that comes again settles whatever attempt is current.',
  replica: {
    handle: async (envelope, handler, { ports }) => {
      const { command } = envelope;
      if (command.type !== 'CompleteStep' && command.type !== 'FailStep') return handler.handle(envelope);
      const { attempt } = await standing(ports, envelope.stream, command.data.stepId);
      const data = { ...command.data, attempt: attempt ?? command.data.attempt };
      return handler.handle({ ...envelope, command: { ...command, data } as typeof command });
    },
  },
};

/** Who holds a step now, in which attempt, as its events tell. */
async function standing(
  ports: DatabasePorts,
  stream: AppendGroup['stream'],
  stepId: string,
): Promise<{ readonly holder?: string; readonly attempt?: number }> {
  const events = await ports.store.readStream(stream, 0).catch(() => []);
  let found: { readonly holder?: string; readonly attempt?: number } = {};
  for (const { type, dataText } of events) {
    if (type !== 'StepStarted' && type !== 'StepReadied') continue;
    const data = JSON.parse(dataText) as { readonly stepId: string; readonly holder?: string; readonly attempt: number };
    if (data.stepId === stepId) found = data;
  }
  return found;
}

const quotaIgnored: Bug = {
  name: 'quota-ignored',
  mistake: 'The append takes a place without looking whether one is free.',
  ports: changingGroups((group) => ({ ...group, quotas: group.quotas.map((quota) => ({ ...quota, limit: 1_000 })) })),
};

const notDeduplicated: Bug = {
  name: 'client-command-not-deduplicated',
  mistake: 'The answer to a client command is not stored, so the command is decided again when it comes again.',
  ports: changingGroups((group) => ({ ...group, answers: [] })),
};

const cacheBeforeCommit: Bug = {
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

const storeOf = (store: EventStore): EventStore => ({
  append: (groups, wake) => store.append(groups, wake),
  readStream: (stream, after) => store.readStream(stream, after),
  readStreams: (wanted) => store.readStreams(wanted),
  readAll: (after, limit) => store.readAll(after, limit),
  head: () => store.head(),
  readSnapshots: (streams, reducer) => store.readSnapshots(streams, reducer),
  writeSnapshot: (snapshot, reducer) => store.writeSnapshot(snapshot, reducer),
});

type Handler = Parameters<NonNullable<ReplicaChange['handler']>>[0];

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

const conflictTakenForDone: Bug = {
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

const retryTimerLost: Bug = {
  name: 'retry-timer-lost',
  mistake: 'The row of a step that waits for its next attempt has no deadline.',
  ports: changingGroups((group) =>
    group.steps === undefined
      ? group
      : { ...group, steps: group.steps.map((step) => (step.status === 'retrying' ? { ...step, dueAt: null } : step)) },
  ),
};

const leaseNotNoticed: Bug = {
  name: 'expired-lease-not-noticed',
  mistake: 'The sweep looks at steps that wait and not at those that run.',
  ports: (ports) =>
    withOpenWork(ports, { dueSteps: async (which) => (await ports.openWork.dueSteps(which)).filter(({ status }) => status !== 'running') }),
};

const noRedrive: Bug = {
  name: 'open-work-forgotten',
  mistake: 'A new epoch begins without the open work of the old one.',
  ports: (ports) => withOpenWork(ports, { openWork: () => Promise.resolve([]) }),
};

const zombieCatchesUp: Bug = {
  name: 'zombie-catches-up',
  mistake: 'A publisher that is refused takes the sequence that the server has and goes on, without looking what was published meanwhile.',
  connection: (connection) => {
    let last = 0;
    const noting = (callback: (error: unknown, message: { json: () => unknown }) => void) => callback;
    void noting;
    return publishing(connection, (subject, payload, more) => {
      last += 1;
      more?.headers?.delete(EXPECTED_LAST_SEQUENCE);
      connection.publish(subject, payload, more);
    });
  },
};

/** A stored checkpoint instead of what the stream says: written when a read is handed over, and believed on the next start. */
function checkpointStored(): Bug {
  let checkpoint = 0;
  let epoch = 0;
  return {
    name: 'checkpoint-stored',
    mistake: 'The relay goes on after the position that it last handed over, instead of after the last message in the stream.',
    replica: {
      stream: (stream) => {
        let covered = 0;
        return {
          open: async (epochs, source) => {
            const opened = await stream.open(epochs, source);
            covered = opened.resumeAfter;
            if (opened.epoch !== epoch) [epoch, checkpoint] = [opened.epoch, opened.resumeAfter];
            return { ...opened, resumeAfter: Math.max(checkpoint, opened.resumeAfter) };
          },
          publish: async (read) => {
            checkpoint = Math.max(checkpoint, read.upto);
            await stream.publish({ ...read, after: covered });
            covered = read.upto;
          },
          check: () => stream.check(),
          close: () => stream.close(),
        };
      },
    },
  };
}

/** Positions drawn before the commit: what was drawn first may become visible last. */
const positionsEarly: Bug = {
  name: 'positions-before-commit',
  mistake: 'Positions are drawn before the commit, so a reader walks past one that becomes visible later.',
  ports: (ports, life) => {
    const hidden = hiddenOf(ports);
    const read: EventStore['readAll'] = async (after, limit) => {
      const events = await ports.store.readAll(after, limit);
      const now = life.timers.now();
      // One commit in eight is slow: what follows it is visible before.
      return events.filter(({ commandId, position }) => {
        if (commandId.charCodeAt(0) % 8 !== 0) return true;
        const until = hidden.get(position) ?? now + 400;
        hidden.set(position, until);
        return now >= until;
      });
    };
    return {
      ...ports,
      store: { ...storeOf(ports.store), readAll: read },
    };
  },
};

const hiddenPositions = new WeakMap<object, Map<number, number>>();
const hiddenOf = (ports: DatabasePorts): Map<number, number> => {
  const known = hiddenPositions.get(ports.store) ?? new Map<number, number>();
  hiddenPositions.set(ports.store, known);
  return known;
};

const streamNotFollowed: Bug = {
  name: 'epoch-not-followed',
  mistake: 'A worker stays with the stream that it found first.',
  connection: (connection, life) => {
    if (!life.name.startsWith('worker')) return connection;
    let first: readonly string[] | undefined;
    return new Proxy(connection, {
      get: (target, name) => {
        if (name !== 'jetstreamManager') return bound(target, name);
        return async (): Promise<unknown> => {
          const manager = await target.jetstreamManager();
          const names = async function* (): AsyncGenerator<string> {
            if (first === undefined) {
              const found: string[] = [];
              for await (const one of manager.streams.names()) found.push(one);
              if (found.length > 0) first = found;
            }
            yield* first ?? [];
          };
          return { ...manager, streams: { ...manager.streams, names } };
        };
      },
    });
  },
};

const queueForgotten: Bug = {
  name: 'queue-forgotten',
  mistake: 'Nobody admits who waits when a slot is free again.',
  replica: { admits: false },
};

const answeredWithoutStart: Bug = {
  name: 'notice-dropped-on-fault',
  mistake: 'A notice whose handler failed is acknowledged all the same.',
  worker: { notice: (handler) => (notice: Notice, context) => handler(notice, context).catch(() => ({ kind: 'answered' as const })) },
};

/** Every planted bug. Each must be found; a state that one keeps is its own in every run. */
export const bugs = (): readonly Bug[] => [
  fenceNotChecked,
  zombieCatchesUp,
  epochNotRaised,
  noRedrive,
  checkpointStored(),
  positionsEarly,
  streamNotFollowed,
  acknowledgedBeforeAnswer,
  answeredWithoutStart,
  noSweep,
  leaseNotNoticed,
  retryTimerLost,
  queueForgotten,
  idsDrawn,
  notDeduplicated,
  conflictTakenForDone,
  cacheBeforeCommit,
  quotaIgnored,
  heldTakenForOurs,
  holderNotChecked,
  attemptNotChecked,
];
