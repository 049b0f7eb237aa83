import pg from 'pg';
import { faultOf } from './faults.js';
import { READER_ROLE, SERVICE_ROLE } from './pools.js';

/** A database user that may do what the services may, and nothing else. */
export interface ServiceLogin {
  readonly user: string;
  readonly password: string;
}

/**
 * Makes that user, or gives it this password: no superuser, owner of nothing, member of the service's and the reader's role. `url` is that of
 * a user who may create roles.
 */
export async function ensureServiceLogin(url: string, { user, password }: ServiceLogin): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  const name = pg.escapeIdentifier(user);
  try {
    await client.connect();
    const { rowCount } = await client.query('select from pg_roles where rolname = $1', [user]);
    const secret = pg.escapeLiteral(password);
    // One string is one transaction: no user exists without its password and its limits.
    await client.query(`
      ${rowCount === 0 ? 'create' : 'alter'} role ${name} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password ${secret};
      grant ${SERVICE_ROLE}, ${READER_ROLE} to ${name}`);
  } catch (error) {
    throw faultOf('making the database user of the services', error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
