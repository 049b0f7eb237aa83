import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROGRAM_NAMES, type ProgramName } from '../services.js';

/** What each stand-in does: say that it is ready, note its environment and its end, obey SIGTERM and the loss of its supervisor. */
const PROGRAM = `
import { appendFileSync, writeFileSync, existsSync } from 'node:fs';
import { createServer } from 'node:http';
const notes = NOTES, service = SERVICE;
const knob = (name) => existsSync(notes + '/' + service + '.' + name);
writeFileSync(notes + '/' + service + '.env', JSON.stringify(process.env));
console.log(JSON.stringify({ level: 30, msg: service + ' starts' }));
if (knob('broken')) { console.log(JSON.stringify({ level: 60, msg: 'cannot work', err: { message: 'no luck today' } })); process.exit(1); }
const end = (why) => { appendFileSync(notes + '/ends', service + ' ' + why + '\\n'); process.exit(0); };
process.on('SIGTERM', () => end('asked'));
process.on('disconnect', () => end('orphaned'));
const port = Number(process.env.GATEWAY_PORT ?? process.env.SIMULATED_AGENT_PORTS?.split(',')[0] ?? 0);
const server = createServer((_request, response) => response.end(service));
if (!knob('slow')) server.listen(port, '127.0.0.1', () => process.send({ type: 'ready', service, port: server.address().port }));
else server.listen(0, '127.0.0.1');
`;

const MIGRATION = `
import { existsSync, appendFileSync } from 'node:fs';
if (existsSync(NOTES + '/migration.broken')) { console.error('relation is in the way'); process.exit(3); }
appendFileSync(NOTES + '/migrations', process.env.DATABASE_URL + '\\n');
`;

/** A checkout whose services only keep to the contract between a service and the platform, to test the platform by itself. */
export interface StandIn {
  readonly home: string;
  readonly data: string;
  environmentOf(service: ProgramName): Promise<Record<string, string>>;
  /** Which stand-ins ended, in order, and why. */
  ends(): Promise<readonly string[]>;
  migrations(): Promise<readonly string[]>;
  /** Makes a stand-in fail from now on: `broken` exits at once, `slow` never becomes ready. */
  spoil(what: ProgramName | 'migration', how: 'broken' | 'slow'): Promise<void>;
  repair(what: ProgramName | 'migration', how: 'broken' | 'slow'): Promise<void>;
  remove(): Promise<void>;
}

/** Writes stand-ins for all services below `parent`. */
export async function makeStandIn(parent = tmpdir()): Promise<StandIn> {
  const root = await mkdtemp(join(parent, 'taskmaster-platform-'));
  // As root, Postgres runs as another user, which has to walk through to its data.
  await chmod(root, 0o711);
  const home = join(root, 'home');
  const notes = join(root, 'notes');
  await mkdir(notes);
  await mkdir(join(home, 'apps', 'state-service', 'dist'), { recursive: true });
  await writeFile(join(home, 'package.json'), '{"type":"module"}');
  const fill = (program: string, service: string): string =>
    program.replaceAll('NOTES', JSON.stringify(notes)).replaceAll('SERVICE', JSON.stringify(service));
  for (const service of PROGRAM_NAMES) {
    await mkdir(join(home, 'apps', service, 'dist'), { recursive: true });
    await writeFile(join(home, 'apps', service, 'dist', 'main.js'), fill(PROGRAM, service));
  }
  await writeFile(join(home, 'apps', 'state-service', 'dist', 'migrate.js'), fill(MIGRATION, 'state-service'));
  const linesOf = async (name: string): Promise<readonly string[]> =>
    (await readFile(join(notes, name), 'utf8').catch(() => '')).split('\n').filter(Boolean);
  return {
    home,
    data: join(root, 'data'),
    environmentOf: async (service) => JSON.parse(await readFile(join(notes, `${service}.env`), 'utf8')) as Record<string, string>,
    ends: () => linesOf('ends'),
    migrations: () => linesOf('migrations'),
    spoil: (what, how) => writeFile(join(notes, `${what}.${how}`), ''),
    repair: (what, how) => rm(join(notes, `${what}.${how}`)),
    remove: () => rm(root, { recursive: true, force: true }),
  };
}
