import { describe, expect, it } from '@jest/globals';
import { connect } from 'nats';
import pg from 'pg';
import { emptyDatabase, eventually, freshDatabase, makeRepository, startBroker } from './index.js';

async function query(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

const connectTo = (url: string) => {
  const { username, password, host } = new URL(url);
  return connect({ servers: host, user: username, pass: password, reconnect: false });
};

describe('freshDatabase', () => {
  it('gives each caller a database of its own', async () => {
    const [first, second] = await Promise.all([freshDatabase(), freshDatabase()]);
    await query(first.url, 'create table only_here (id int)');
    await expect(query(second.url, 'select * from only_here')).rejects.toThrow(/does not exist/);
    await Promise.all([first.drop(), second.drop()]);
  });

  it('drops a database that still has sessions', async () => {
    const database = await freshDatabase();
    const client = new pg.Client({ connectionString: database.url });
    client.on('error', () => undefined);
    await client.connect();
    await database.drop();
    await expect(query(database.url, 'select 1')).rejects.toThrow(/does not exist/);
    await client.end().catch(() => undefined);
  });

  it('gives an empty database for migrations to work on', async () => {
    const database = await emptyDatabase();
    const tables = await query(database.url, `select 1 from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`);
    expect(tables).toEqual([]);
    await database.drop();
  });
});

describe('startBroker', () => {
  it('keeps its streams over kill -9 and a restart, on the same address', async () => {
    const broker = await startBroker();
    const before = await connectTo(broker.url);
    await (await before.jetstreamManager()).streams.add({ name: 'KEPT', subjects: ['kept'] });
    await before.jetstream().publish('kept', 'one');
    await broker.kill9();
    await before.closed();
    await broker.restart();
    const after = await connectTo(broker.url);
    const { state } = await (await after.jetstreamManager()).streams.info('KEPT');
    expect(state.messages).toBe(1);
    await after.close();
    await broker.stop();
  });

  it('loses its streams by wipe', async () => {
    const broker = await startBroker();
    const before = await connectTo(broker.url);
    await (await before.jetstreamManager()).streams.add({ name: 'LOST', subjects: ['lost'] });
    await broker.wipe();
    await before.closed();
    const after = await connectTo(broker.url);
    await expect((await after.jetstreamManager()).streams.info('LOST')).rejects.toThrow(/stream not found/);
    await after.close();
    await broker.stop();
  });

  it('refuses a stranger', async () => {
    const broker = await startBroker();
    await expect(connect({ servers: new URL(broker.url).host, reconnect: false })).rejects.toThrow(/Authorization/i);
    await broker.stop();
  });
});

describe('makeRepository', () => {
  it('makes a repository with one commit of the files', async () => {
    const repository = await makeRepository({ files: { 'src/a.txt': 'hello\n', 'run.sh': '#!/bin/sh\n' } });
    expect(await repository.read('main', 'src/a.txt')).toBe('hello\n');
    expect(await repository.git('rev-list', '--count', 'main')).toBe('1');
    expect(await repository.git('ls-files', '-s', 'run.sh')).toMatch(/^100755/);
    await repository.remove();
  });

  it('makes a bare one that can be cloned from', async () => {
    const repository = await makeRepository({ files: { a: 'b' }, bare: true, branch: 'trunk' });
    expect(await repository.git('rev-parse', '--is-bare-repository')).toBe('true');
    expect(await repository.git('branch', '--show-current')).toBe('trunk');
    await repository.remove();
  });
});

describe('eventually', () => {
  it('gives what the condition gives, after failures and emptiness', async () => {
    let calls = 0;
    const answer = await eventually(() => {
      calls += 1;
      if (calls === 1) throw new Error('not yet');
      return calls === 3 ? 'there' : undefined;
    });
    expect(answer).toBe('there');
  });

  it('names what did not happen, and why', async () => {
    const waiting = eventually(() => Promise.reject(new Error('still dark')), { deadlineMs: 20, what: 'the sunrise' });
    await expect(waiting).rejects.toThrow('the sunrise did not happen within 20 ms: still dark');
  });
});
