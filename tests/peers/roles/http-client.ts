// The client of every engine that is reached by HTTP: one request a workflow, answered when it is complete.
import { randomUUID } from 'node:crypto';
import { httpClient } from '../../platform/http-client.js';
import { drive, roleInput } from './role.js';

const { address, path } = roleInput<{ readonly address: string; readonly path: string }>();
const client = httpClient(address, '');

drive(async (work) => {
  const { status } = await client.call('POST', path, { body: work, headers: { 'idempotency-key': randomUUID() } });
  if (status >= 300) throw new Error(`answered ${String(status)}`);
});
