import type { AgentView, TenantId } from '@taskmaster/contracts';
import { READER_ROLE, type Pools } from '@taskmaster/event-log';

const TEXT = `
  select a.id, a.profile, a.available, a.detail,
    count(*) filter (where s.status = 'running')::integer as running,
    count(*) filter (where s.status = 'succeeded')::integer as succeeded,
    count(*) filter (where s.status = 'failed')::integer as failed
  from agent a
  left join step s on s.tenant_id = a.tenant_id and s.agent_id = a.id
  where a.tenant_id = $1
  group by a.stream
  order by a.id`;

type AgentRow = Omit<AgentView, 'profile'> & { readonly profile: string };

/**
 * Every agent of a tenant and how it has done, in a transaction that sees that tenant only. It does without what lists are read with: whoever
 * drives agents asks for it as soon as it starts.
 */
export async function readAgents({ read, restricted }: Pools, tenantId: TenantId): Promise<readonly AgentView[]> {
  const client = await read.connect();
  try {
    await client.query('begin read only');
    if (restricted) await client.query(`set local role ${READER_ROLE}`);
    await client.query("select set_config('app.tenant', $1, true)", [tenantId]);
    const { rows } = await client.query<AgentRow>({ name: 'read-agents', text: TEXT, values: [tenantId] });
    await client.query('commit');
    client.release();
    return rows.map((row) => ({ ...row, profile: JSON.parse(row.profile) as AgentView['profile'] }));
  } catch (error) {
    // Whatever state it is in, the connection is not used again.
    client.release(true);
    throw error;
  }
}
