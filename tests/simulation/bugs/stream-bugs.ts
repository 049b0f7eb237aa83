import { HEADER_UPTO_EVENT } from '@taskmaster/contracts';
import type { EventStore } from '@taskmaster/event-log';
import type { Bug } from '../bug.js';
import type { DatabasePorts } from '../database.js';
import { bound, publishing, storeOf, withOpenWork } from './around.js';

export const EXPECTED_LAST_SEQUENCE = 'Nats-Expected-Last-Sequence';
export const EXPECTED_LAST_ID = 'Nats-Expected-Last-Msg-Id';

export const fenceNotChecked: Bug = {
  name: 'fence-not-checked',
  mistake: 'Notices are published without the sequence and the message that they must follow, so two leaders can both extend the stream.',
  connection: (connection) =>
    publishing(connection, (subject, payload, more) => {
      more?.headers?.delete(EXPECTED_LAST_SEQUENCE);
      more?.headers?.delete(EXPECTED_LAST_ID);
      connection.publish(subject, payload, more);
    }),
};

export const endNotNamed: Bug = {
  name: 'end-not-named',
  mistake:
    'The stream says how far it covers the log and not which event is there, so a restored log that has grown is taken for the old one.',
  scenario: 'restore',
  connection: (connection) =>
    publishing(connection, (subject, payload, more) => {
      more?.headers?.delete(HEADER_UPTO_EVENT);
      connection.publish(subject, payload, more);
    }),
};

export const toldTakenForDone: Bug = {
  name: 'told-taken-for-done',
  mistake: 'What an answer told ahead is taken for done: the stream covers it without its notice, and whoever was told may be dead.',
  replica: { offer: (commit) => ({ ...commit, told: [] }) },
};

export const epochNotRaised: Bug = {
  name: 'epoch-not-raised',
  mistake: 'A lost stream is made anew under the same epoch, so what is left of the old one is taken for the new one.',
  ports: (ports) => ({ ...ports, epochs: { ...bind(ports.epochs), bump: (from) => Promise.resolve(Math.max(1, from)) } }),
};

const bind = (epochs: DatabasePorts['epochs']): DatabasePorts['epochs'] => ({
  current: () => epochs.current(),
  bump: (from) => epochs.bump(from),
  acknowledge: (epoch, upto) => epochs.acknowledge(epoch, upto),
});

export const noRedrive: Bug = {
  name: 'open-work-forgotten',
  mistake: 'A new epoch begins without the open work of the old one.',
  ports: (ports) => withOpenWork(ports, { openWork: () => Promise.resolve([]) }),
};

/** A stored checkpoint instead of what the stream says: written when a read is handed over, and believed on the next start. */
export function checkpointStored(): Bug {
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
export const positionsEarly: Bug = {
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

export const streamNotFollowed: Bug = {
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
