import { Fault } from '@taskmaster/contracts';

/** Postgres could not be asked or did not answer. Asking again with the same command ids is safe. */
export class DatabaseUnavailable extends Fault {
  override readonly name = 'DatabaseUnavailable';
  readonly code = 'database-unavailable';
  readonly retryable = true;
}

/** Postgres refused what we sent: a bug or corrupt data, never cured by asking again. */
export class StatementRefused extends Fault {
  override readonly name = 'StatementRefused';
  readonly code = 'statement-refused';
  readonly retryable = false;
}

/** The database's schema is not the one this program was built for. */
export class SchemaMismatch extends Fault {
  override readonly name = 'SchemaMismatch';
  readonly code = 'schema-mismatch';
  readonly retryable = false;
}

/** SQLSTATE classes that say "try again": connection, transaction rollback, resources, operator intervention, system. */
const TRANSIENT_CLASSES: readonly string[] = ['08', '40', '53', '55', '57', '58'];

const sqlStateOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
};

/** Names a driver error after what can be done about it. Errors without an SQLSTATE come from the connection. */
export function faultOf(doing: string, error: unknown): Fault {
  if (error instanceof Fault) return error;
  const state = sqlStateOf(error);
  const detail = `${doing}: ${error instanceof Error ? error.message : String(error)}`;
  if (state === undefined || TRANSIENT_CLASSES.includes(state.slice(0, 2))) return new DatabaseUnavailable(detail, { cause: error });
  return new StatementRefused(detail, { cause: error });
}
