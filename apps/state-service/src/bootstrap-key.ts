import { DEFAULT_TENANT, deriveUuid, streamOf, type CommandId } from '@taskmaster/contracts';
import type { CommandHandler } from './handle-command.js';

/** Issues the first API key, once: its id follows from its hash, so every start and every replica asks for the same. */
export async function issueBootstrapKey(handler: CommandHandler, hash: string): Promise<string> {
  const keyId = `first-${hash.slice(0, 12)}`;
  const answer = await handler.handle({
    id: deriveUuid('bootstrap-api-key', hash) as CommandId,
    stream: streamOf('access', DEFAULT_TENANT),
    tenantId: DEFAULT_TENANT,
    actor: { kind: 'system', id: 'bootstrap' },
    correlationId: 'bootstrap',
    command: { type: 'IssueApiKey', data: { keyId, name: 'first key', role: 'admin', hash } },
  });
  return answer.outcome;
}
