import 'reflect-metadata';
import type { ChildProcess } from 'node:child_process';
import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DEFAULT_TENANT,
  REQUIREMENT_BYTES_MAX,
  REQUIREMENT_EXCERPT_CHARS_MAX,
  REQUIREMENT_INLINE_BYTES_MAX,
  type CommandEnvelope,
  type StepId,
  type TenantId,
  type WorkflowId,
  type WorkflowRequest,
} from '@taskmaster/contracts';
import { connectBroker, NatsCommandSender, NatsQueryAsker } from '@taskmaster/messaging';
import { emptyDatabase, startBroker, type FreshDatabase, type TestBroker } from '@taskmaster/testing';
import pg from 'pg';
import { endProcess, startReplicaProcess } from './testing/replica-process.js';
import { planRequest, request, streamFor } from './testing/replica.js';

let database: FreshDatabase;
let broker: TestBroker;
let connection: Awaited<ReturnType<typeof connectBroker>>;
let replica: ChildProcess;
let owner: pg.Client;
let sender: NatsCommandSender;
let asker: NatsQueryAsker;

beforeAll(async () => {
  [database, broker] = await Promise.all([emptyDatabase(), startBroker()]);
  connection = await connectBroker({ url: broker.url, name: 'spec' });
  [sender, asker] = [new NatsCommandSender(connection), new NatsQueryAsker(connection)];
  replica = await startReplicaProcess({ DATABASE_URL: database.url, NATS_URL: broker.url, LOG_LEVEL: 'fatal' });
  owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
});

afterAll(async () => {
  await endProcess(replica);
  await owner.end();
  await connection.close();
  await broker.stop();
  await database.drop();
});

const REPOSITORY = { url: '/nowhere', branch: 'main', forge: 'local' as const };

const requestText = (name: string, text: string, enableNlp: boolean, more: Partial<WorkflowRequest> = {}): CommandEnvelope => {
  const { options } = planRequest([]);
  const source = { kind: 'requirement' as const, text };
  return request(name, [], { source, repository: REPOSITORY, options: { ...options, enableNlp }, ...more });
};

const idFor = (name: string): WorkflowId => streamFor(name).slice('workflow-'.length) as WorkflowId;

const textOf = (bytes: number, begin = 'Ä "quoted"\u0000 line\n'): string => begin + 'x'.repeat(bytes - Buffer.byteLength(begin) - 2) + 'ß';

const contextOf = (name: string, stepId: string) =>
  asker.ask('GetStepContext', { tenantId: DEFAULT_TENANT, workflowId: idFor(name), stepId: stepId as StepId, attempt: 1 });

const contentRows = async (): Promise<number> =>
  Number((await owner.query<{ count: string }>('select count(*) from content')).rows[0]?.count);

const chainViolations = async (): Promise<readonly string[]> => {
  const report = await asker.ask('VerifyLog', { tenantId: DEFAULT_TENANT });
  return report.invariants.filter(({ number }) => number === 2).flatMap(({ violations }) => violations);
};

describe('a requirement', () => {
  it('of 64 KiB is recorded by its beginning and its hash, and whoever works on it or looks at it gets all of it', async () => {
    const text = textOf(REQUIREMENT_BYTES_MAX);
    expect(Buffer.byteLength(text)).toBe(REQUIREMENT_BYTES_MAX);
    expect(await sender.send(requestText('long', text, true))).toMatchObject({ outcome: 'accepted' });
    const { events } = await asker.ask('ListEvents', { tenantId: DEFAULT_TENANT, workflowId: idFor('long'), after: 0, limit: 100 });
    const source = { kind: 'requirement', text: text.slice(0, REQUIREMENT_EXCERPT_CHARS_MAX), contentHash: hash('sha256', text) };
    expect(events[0]).toMatchObject({ type: 'WorkflowRequested', data: { request: { source } } });
    const readied = events.find(({ type }) => type === 'StepReadied');
    expect(readied?.data).toMatchObject({ kind: 'requirements.parse', input: { context: {} } });
    expect(readied?.data).not.toHaveProperty('input.text');
    expect((await contextOf('long', 'tm-analyze-1'))?.requirement).toBe(text);
    const view = await asker.ask('GetWorkflow', { tenantId: DEFAULT_TENANT, workflowId: idFor('long') });
    expect(view?.requirement).toBe(text);
  });

  it('that no language understanding divides reaches its one agent whole, however long it is', async () => {
    for (const [name, bytes] of Object.entries({ 'agent-long': REQUIREMENT_BYTES_MAX, 'agent-middle': REQUIREMENT_INLINE_BYTES_MAX })) {
      const text = textOf(bytes);
      await sender.send(requestText(name, text, false));
      const context = await contextOf(name, 'implement');
      expect(context?.step.input).toEqual({ title: 'Implement the requirement', instructionFrom: 'requirement' });
      expect(context?.requirement).toBe(text);
    }
  });

  it('is stored once, however often it is sent, and is refused when it is longer than allowed', async () => {
    const text = textOf(20_000, 'once');
    const before = await contentRows();
    const first = await sender.send(requestText('once', text, true));
    expect(await sender.send(requestText('once', text, true))).toEqual({ outcome: 'duplicate', first });
    await sender.send(requestText('twice', text, true));
    expect(await contentRows()).toBe(before + 1);
    const tooLong = await sender.send(requestText('too long', textOf(REQUIREMENT_BYTES_MAX + 1), true));
    expect(tooLong).toMatchObject({ outcome: 'rejected', code: 'requirement-too-large' });
    expect(await contentRows()).toBe(before + 1);
  });

  it('of a request that is refused leaves content that nothing refers to and nobody misses', async () => {
    const before = await contentRows();
    const refused = { ...requestText('refused', textOf(20_000, 'refused'), true), id: requestText('once', '', true).id };
    expect(await sender.send(refused)).toMatchObject({ outcome: 'rejected', code: 'command-reused' });
    expect(await contentRows()).toBe(before + 1);
    expect(await chainViolations()).toEqual([]);
  });

  it('of one tenant is not shown to another', async () => {
    await owner.query('begin');
    await owner.query('set local role taskmaster_reader');
    await owner.query("select set_config('app.tenant', 'other', true)");
    expect(await contentRows()).toBe(0);
    await owner.query("select set_config('app.tenant', $1, true)", [DEFAULT_TENANT]);
    expect(await contentRows()).toBeGreaterThan(0);
    await owner.query('rollback');
    expect(await asker.ask('GetWorkflow', { tenantId: 'other' as TenantId, workflowId: idFor('long') })).toBeNull();
  });

  it('cannot be changed by the service, and a change by the owner of the database is found and never worked on', async () => {
    for (const statement of ['update content set body = body', 'delete from content', 'truncate content']) {
      await owner.query('begin');
      await owner.query('set local role taskmaster_service');
      await expect(owner.query(statement)).rejects.toMatchObject({ code: '42501' });
      await owner.query('rollback');
    }
    await expect(owner.query("update content set body = 'x', bytes = 1")).rejects.toMatchObject({ code: '23514' });
    expect(await chainViolations()).toEqual([]);
    await owner.query('alter table content drop constraint content_hash_is_of_body');
    const changed = hash('sha256', textOf(REQUIREMENT_BYTES_MAX));
    await owner.query("update content set body = set_byte(body, 100, 90) where hash = decode($1, 'hex')", [changed]);
    expect(await chainViolations()).toEqual([
      expect.stringMatching(new RegExp(`refers to content ${changed}, which is changed$`)),
      expect.stringContaining('is changed'),
    ]);
    await expect(asker.ask('GetStepContext', askLong(), { deadlineMs: 1_000 })).rejects.toThrow();
    await owner.query("delete from content where hash = decode($1, 'hex')", [changed]);
    expect(await chainViolations()).toEqual([expect.stringContaining('is missing'), expect.stringContaining('is missing')]);
  });
});

const askLong = () => ({ tenantId: DEFAULT_TENANT, workflowId: idFor('long'), stepId: 'tm-analyze-1' as StepId, attempt: 1 });
