import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, streamOf, type AgentId, type StepId, type TenantId } from '@taskmaster/contracts';
import { freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import { readAgents } from './agent-list.js';
import { completeWith, envelope, openReplica, reported, request, type Replica } from './testing/replica.js';

let database: FreshDatabase;
let replica: Replica;

beforeEach(async () => {
  database = await freshDatabase();
  replica = await openReplica(database.url);
});
afterEach(async () => {
  await replica.close();
  await database.drop();
});

const profile = {
  name: 'Ada',
  type: 'custom',
  endpoint: 'http://127.0.0.1:1',
  driver: 'agentapi',
  simulated: true,
  roles: ['developer'],
  capabilities: { implementation: 0.9 },
  languages: [],
  specialisations: [],
  maxConcurrent: 2,
} as const;

const register = (id: string, tenantId?: TenantId) =>
  replica.handler.handle(envelope({ type: 'RegisterAgent', data: { profile } }, streamOf('agent', id), `register ${id}`, tenantId));

function startAt(agentId: string, stepId: string) {
  const about = { agentName: 'Ada', agentType: 'custom', simulated: true, policy: 'auto', reason: 'spec', scores: [] } as const;
  const assignment = { agentId: agentId as AgentId, ...about };
  const data = { stepId: stepId as StepId, attempt: 1, holder: 'worker', leaseMs: 60_000, assignment };
  return replica.handler.handle(reported('w', stepId, { type: 'StartStep', data }));
}

describe('the list of agents', () => {
  it('says of each what it is and how it has done', async () => {
    await register('bob');
    await register('ada');
    await replica.handler.handle(
      request(
        'w',
        ['a', 'b'].map((id) => ({ id, kind: 'command.run' as const, input: { command: ['true'] } })),
      ),
    );
    await startAt('ada', 'a');
    await startAt('ada', 'b');
    await replica.handler.handle(completeWith('w', 'a', {}));
    const [ada, bob, ...others] = await readAgents(replica.pools, DEFAULT_TENANT);
    expect(ada).toMatchObject({ id: 'ada', profile, running: 1, succeeded: 1, failed: 0 });
    expect(bob).toMatchObject({ id: 'bob', running: 0, succeeded: 0, failed: 0 });
    expect(others).toEqual([]);
  });

  it('is that of one tenant, and leaves its connection as it was', async () => {
    await register('ada');
    await register('eve', 'other' as TenantId);
    expect((await readAgents(replica.pools, 'other' as TenantId)).map(({ id }) => id)).toEqual(['eve']);
    const { rows } = await replica.pools.read.query(
      "select current_user as role, coalesce(current_setting('app.tenant', true), '') as tenant",
    );
    expect(rows).toEqual([{ role: replica.pools.restricted ? 'taskmaster_service' : expect.any(String), tenant: '' }]);
  });
});
