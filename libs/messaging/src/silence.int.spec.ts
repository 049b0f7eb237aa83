import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, SUBJECT_COMMANDS, subjectOfQuery, type CommandEnvelope, type StreamId } from '@taskmaster/contracts';
import { startNats, type NatsServer } from '@taskmaster/provision';
import { eventually, runSubdirectory } from '@taskmaster/testing';
import type { NatsConnection } from 'nats';
import { connectBroker, NatsCommandSender, NatsQueryAsker } from './index.js';
import { Silence, SILENCE_MS_MAX } from './silence.js';

const servers: NatsServer[] = [];
const connections: NatsConnection[] = [];

afterEach(async () => {
  for (const connection of connections.splice(0)) await connection.close();
  for (const server of servers.splice(0)) await server.stop();
});

/** Two servers that do not know each other: to whoever is connected to one of them, the other is as far away as behind a cut network. */
async function twoServers(): Promise<readonly [NatsServer, NatsServer]> {
  const started: NatsServer[] = [];
  for (const name of ['one', 'two']) {
    const directory = await runSubdirectory(`silence-${name}`);
    await writeFile(join(directory, 'password'), 'the same for both\n', { mode: 0o600 });
    started.push(await startNats({ directory }));
  }
  servers.push(...started);
  return started as [NatsServer, NatsServer];
}

async function connectedTo(url: string, name: string): Promise<NatsConnection> {
  const connection = await connectBroker({ url, name });
  connections.push(connection);
  return connection;
}

/** Knows both servers and is connected to the first of them. */
async function connectedToFirst(first: NatsServer, second: NatsServer, name: string): Promise<NatsConnection> {
  const connection = await connectedTo(`${first.url},${second.url}`, name);
  await eventually(async () => {
    if (connection.getServer().endsWith(`:${String(first.port)}`)) return true;
    await connection.reconnect();
    return false;
  });
  return connection;
}

const envelope: CommandEnvelope = {
  id: '00000000-0000-4000-8000-000000000001' as CommandEnvelope['id'],
  stream: 'workflow-wf_1' as StreamId,
  tenantId: DEFAULT_TENANT,
  actor: { kind: 'service', id: 'spec' },
  correlationId: 'spec',
  command: { type: 'AdmitWorkflow', data: {} },
};

describe('a server of several at which nobody answers', () => {
  it('is left for another one by whoever asks', async () => {
    const [first, second] = await twoServers();
    const service = await connectedTo(second.url, 'state-service');
    service.subscribe(SUBJECT_COMMANDS, { callback: (_error, message) => message.respond('{"answers":[{"outcome":"noop","detail":""}]}') });
    service.subscribe(subjectOfQuery('GetHealth'), { callback: (_error, message) => message.respond('{"answer":{}}') });
    const connection = await connectedToFirst(first, second, 'gateway');
    const asking = [new NatsCommandSender(connection).send(envelope), new NatsQueryAsker(connection).ask('GetHealth', {})];
    expect(await Promise.all(asking)).toEqual([{ outcome: 'noop', detail: '' }, {}]);
    expect(connection.getServer()).toMatch(new RegExp(`:${String(second.port)}$`));
  }, 30_000);

  it('is not left because of an answer that is missing now and then', async () => {
    const [first, second] = await twoServers();
    const silence = Silence.of(await connectedToFirst(first, second, 'gateway'));
    const missing = [0, 60_000, 120_000].map((now) => silence?.note(now));
    expect(missing).toEqual([false, false, false]);
    expect([2_000, 4_000, SILENCE_MS_MAX].map((later) => silence?.note(120_000 + later))).toEqual([false, false, true]);
  }, 30_000);

  it('is kept by whoever is answered there', async () => {
    const [first, second] = await twoServers();
    const service = await connectedTo(first.url, 'state-service');
    service.subscribe(subjectOfQuery('GetHealth'), { callback: (_error, message) => message.respond('{"answer":{}}') });
    const connection = await connectedToFirst(first, second, 'gateway');
    const asker = new NatsQueryAsker(connection);
    const until = performance.now() + SILENCE_MS_MAX + 1_000;
    await eventually(async () => (await asker.ask('GetHealth', {})) !== undefined && performance.now() > until, { deadlineMs: 20_000 });
    expect(connection.stats().inMsgs).toBeGreaterThan(1);
    expect(connection.getServer()).toMatch(new RegExp(`:${String(first.port)}$`));
  }, 30_000);
});
