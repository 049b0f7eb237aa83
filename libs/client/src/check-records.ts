import { DEFAULT_TENANT, type InvariantReport, type LogReport } from '@taskmaster/contracts';
import { ClientAnswers, type ClientRecord } from '@taskmaster/proof';
import type { Client } from './client.js';

/** Events of one page; the most that is given. */
const PAGE = 200;

/**
 * Compares what clients kept with the log as the platform shows it, page by page (invariant 4). The comparing is done here, so that it
 * is not the platform that judges itself.
 */
export async function checkRecords(
  client: Pick<Client, 'listEvents'>,
  records: Iterable<ClientRecord>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<InvariantReport> {
  let rule: ClientAnswers | undefined;
  let after: number | undefined = 0;
  while (after !== undefined) {
    const page = await client.listEvents({ after, limit: PAGE, ...options });
    rule ??= new ClientAnswers(records, page.items[0]?.tenantId ?? DEFAULT_TENANT);
    for (const event of page.items) rule.see(event);
    after = page.nextAfter;
  }
  rule?.end();
  return rule?.findings[0]?.report() as InvariantReport;
}

/** The platform's own check of its log, and what its clients kept compared with it. */
export async function verifyWithRecords(
  client: Pick<Client, 'listEvents' | 'verify'>,
  records: Iterable<ClientRecord>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<LogReport> {
  const report = await client.verify(options);
  const told = await checkRecords(client, records, options);
  return { ...report, invariants: [...report.invariants, told].sort((a, b) => a.number - b.number) };
}
