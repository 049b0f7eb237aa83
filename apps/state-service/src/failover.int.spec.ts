import 'reflect-metadata';
import type { ChildProcess } from 'node:child_process';
import { afterEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, HEADER_UPTO, workStreamOf, type CommandAnswer, type CommandEnvelope } from '@taskmaster/contracts';
import { connectBroker, NatsCommandSender, NatsQueryAsker } from '@taskmaster/messaging';
import { eventually, replicatedDatabase, startBroker, type ReplicatedDatabase, type TestBroker } from '@taskmaster/testing';
import pg from 'pg';
import { endProcess, forkReplica, type LogLine } from './testing/replica-process.js';
import { complete, openReplica, request } from './testing/replica.js';

type Accepted = Extract<CommandAnswer, { outcome: 'accepted' }>;

/** Events of a workflow of `commandsOf`. */
const EVENTS = 16;

let database: ReplicatedDatabase;
let broker: TestBroker;
let connection: Awaited<ReturnType<typeof connectBroker>>;
let sender: NatsCommandSender;
const closers: (() => Promise<unknown>)[] = [];

interface Process {
  readonly child: ChildProcess;
  readonly log: readonly LogLine[];
}

async function open(given: { readonly synchronous: boolean }): Promise<void> {
  database = await replicatedDatabase(given);
  closers.push(() => database.stop());
  broker = await startBroker();
  closers.push(() => broker.stop());
  connection = await connectBroker({ url: broker.url, name: 'spec' });
  closers.push(() => connection.close());
  sender = new NatsCommandSender(connection);
}

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function fork(): Process {
  const log: LogLine[] = [];
  const child = forkReplica({ DATABASE_URL: database.url, NATS_URL: broker.url }, log);
  closers.push(() => endProcess(child, 'SIGKILL'));
  return { child, log };
}

/** The service, which leads from now on. */
async function start(): Promise<Process> {
  const service = fork();
  await eventually(() => leads(service).length === 1, { what: 'the lead', deadlineMs: 20_000 });
  return service;
}

const leadsAgain = (service: Process): Promise<readonly LogLine[]> =>
  eventually(() => (leads(service).length > 1 ? leads(service).slice(1) : undefined), { what: 'the next lead', deadlineMs: 20_000 });

const leads = ({ log }: Process): readonly LogLine[] => log.filter(({ msg }) => msg === 'relay leads');

const commandsOf = (name: string): readonly CommandEnvelope[] => [
  request(name),
  ...['a', 'b', 'c', 'd', 'e'].map((id) => complete(name, id)),
];

const acceptedBy = (answer: CommandAnswer): readonly Accepted[] => {
  const first = answer.outcome === 'duplicate' ? answer.first : answer;
  return first?.outcome === 'accepted' ? [first] : [];
};

/** Has workflows done, one after the other, until an answer does not come. @returns what is left of the last one */
async function work(client: string, accepted: Accepted[]): Promise<readonly CommandEnvelope[]> {
  for (let i = 0; ; i += 1) {
    const commands = commandsOf(`${client} ${String(i)}`);
    for (const [n, command] of commands.entries()) {
      const answer = await sender.send(command, { deadlineMs: 2_000 }).catch(() => undefined);
      if (answer === undefined) return commands.slice(n);
      accepted.push(...acceptedBy(answer));
    }
  }
}

async function sendAll(commands: readonly CommandEnvelope[]): Promise<readonly Accepted[]> {
  const accepted: Accepted[] = [];
  for (const command of commands) accepted.push(...acceptedBy(await sender.send(command)));
  return accepted;
}

/** The log as the standby has it. */
async function standbyLog(): Promise<readonly { readonly position: number; readonly stream: string; readonly version: number }[]> {
  const { store, close } = await openReplica(database.standbyUrl);
  const events = await store.readAll(0, 1_000_000);
  await close();
  return events;
}

async function expectWhole(workflows: number): Promise<void> {
  const report = await new NatsQueryAsker(connection).ask('VerifyLog', { tenantId: DEFAULT_TENANT });
  expect(report.invariants.flatMap(({ violations }) => violations)).toEqual([]);
  expect([report.streams, report.head]).toEqual([workflows, workflows * EVENTS]);
}

/** What streams there are; where that of the first epoch ends, and how far it covers the log. */
async function published(): Promise<{ readonly names: readonly string[]; readonly sequence: number; readonly upto: number }> {
  const { streams } = await connection.jetstreamManager({ timeout: 2_000 });
  const names = await streams.names().next();
  const { last_seq: sequence } = (await streams.info(workStreamOf(1))).state;
  const { header } = await streams.getMessage(workStreamOf(1), { seq: sequence });
  return { names, sequence, upto: Number(header.get(HEADER_UPTO)) };
}

/** Appends that wait for the standby, or for the lock of the log that such a one holds. */
async function waiting(): Promise<number> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const text = `
      select 1
      from pg_stat_activity
      where query like '%from append\\_%' and (wait_event = 'SyncRep' or wait_event_type = 'Lock')`;
    return (await client.query(text)).rowCount ?? 0;
  } finally {
    await client.end();
  }
}

async function expectRefusal({ child, log }: Process): Promise<void> {
  await eventually(() => child.exitCode !== null, { what: 'its end', deadlineMs: 20_000 });
  expect(child.exitCode).toBe(1);
  await eventually(() => log.some(({ level, msg }) => level === 'fatal' && msg.startsWith('the log went backwards')), {
    what: 'its reason',
  });
}

describe('a state-service whose database fails over to a standby', () => {
  it('that is synchronous finds everything that it answered, answers what it had not, and goes on', async () => {
    await open({ synchronous: true });
    const service = await start();
    const accepted: Accepted[] = [];
    const clients = ['k', 'l', 'm', 'n', 'o', 'p', 'q', 'r'];
    const working = clients.map((client) => work(client, accepted));
    await eventually(() => accepted.length >= 200, { what: 'work', deadlineMs: 20_000 });
    await database.killPrimary();
    const unanswered = await Promise.all(working);
    // They ask a standby that may only be read from, until it is promoted.
    const answering = Promise.all(unanswered.map(sendAll));
    await database.failOver();
    accepted.push(...(await answering).flat());
    const later = await Promise.all(clients.map((client) => sendAll(commandsOf(`${client} later`))));
    expect(later.map(({ length }) => length)).toEqual(clients.map(() => 6));
    const events = await standbyLog();
    expect(events.map(({ position }) => position)).toEqual(events.map((_event, i) => i + 1));
    for (const { stream, version, position } of accepted) expect(events[position - 1]).toMatchObject({ stream, version });
    await expectWhole(new Set(events.map(({ stream }) => stream)).size);
    // It is the same stream, in which nothing had to be told again.
    for (const lead of await leadsAgain(service)) {
      expect(lead).toMatchObject({ epoch: 1 });
      expect(lead).not.toHaveProperty('redriven');
    }
  }, 60_000);

  it('that is synchronous has not answered what that one lacks, and goes on although nobody told it that the other machine is gone', async () => {
    await open({ synchronous: true });
    const service = await start();
    await sendAll(commandsOf('a'));
    database.cutOff();
    const names = ['b', 'c'];
    const answers: CommandAnswer[] = [];
    const asking: Promise<unknown>[] = [];
    // One after the other, so that each is on a connection of its own.
    for (const name of names) {
      asking.push(sender.send(request(name), { deadlineMs: 45_000 }).then((answer) => answers.push(answer)));
      await eventually(async () => (await waiting()) === asking.length, { what: 'an append that waits' });
    }
    await database.killPrimary({ silently: true });
    expect(answers).toEqual([]);
    expect(await standbyLog()).toHaveLength(EVENTS);
    await database.failOver();
    await Promise.all(asking);
    expect(answers.map(({ outcome }) => outcome)).toEqual(names.map(() => 'accepted'));
    await Promise.all(names.map((name) => sendAll(commandsOf(name).slice(1))));
    await expectWhole(1 + names.length);
    await leadsAgain(service);
  }, 90_000);

  it('that lacks the last of what was published says so and ends, and publishes nothing', async () => {
    await open({ synchronous: false });
    const service = await start();
    await sendAll(commandsOf('a'));
    await database.caughtUp();
    database.cutOff();
    const lost = await sendAll(['b', 'c'].map((name) => request(name)));
    expect(lost.map(({ position }) => position)).toEqual([EVENTS + 5, EVENTS + 10]);
    await eventually(async () => (await published()).upto === EVENTS + 10, { what: 'what is published' });
    await database.killPrimary();
    const before = await published();
    await database.failOver();
    await expectRefusal(service);
    // A supervisor starts it again and again; that must not wear the refusal out.
    await expectRefusal(fork());
    expect(await standbyLog()).toHaveLength(EVENTS);
    expect(await published()).toEqual(before);
  }, 60_000);
});
