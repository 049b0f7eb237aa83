// Brings the database to this version, as its owner, and makes the user as which the services run. With --check it only looks. What it found
// is JSON on stdout; a failure is on stderr.
import { ensureServiceLogin, inspectSchema, migrate } from '@taskmaster/event-log';
import { readMigrationConfig } from './config.js';

const EXIT_DIFFERS = 4;
const say = (found: object): void => void process.stdout.write(`${JSON.stringify(found)}\n`);

try {
  const { DATABASE_URL, SERVICE_DATABASE_USER: user, SERVICE_DATABASE_PASSWORD: password } = readMigrationConfig(process.env);
  const found = await inspectSchema(DATABASE_URL);
  if (found.kind === 'differs' || process.argv.includes('--check')) {
    say(found.kind === 'behind' ? { kind: found.kind, pending: found.pending.map(({ file }) => file) } : found);
    process.exitCode = found.kind === 'differs' ? EXIT_DIFFERS : 0;
  } else {
    const migrations = found.kind === 'current' ? [] : await migrate(DATABASE_URL);
    if (password !== undefined) await ensureServiceLogin(DATABASE_URL, { user, password });
    say({ kind: 'current', migrations });
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
