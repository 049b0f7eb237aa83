import { appendFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, recordedClient, type Client } from '@taskmaster/client';
import type { Surroundings } from './config.js';
import { demoDirectory } from './demo/places.js';
import { CommandFault, EXIT } from './exit.js';
import { dataDirectory, readRecord } from './platform/index.js';

/** How a command is told which platform to talk to. */
export interface TargetOptions {
  readonly url?: string;
  readonly apiKey?: string;
  readonly data?: string;
  /** A file that gets a line for everything that the platform says, for `audit verify --records`. */
  readonly record?: string;
}

export interface Target {
  readonly url: string;
  readonly apiKey?: string;
}

/** The platform that is meant: told, else from the environment, else the one that runs on this machine. @throws CommandFault */
export async function findTarget(options: TargetOptions, { env }: Surroundings): Promise<Target> {
  const url = options.url ?? (options.data === undefined ? env['TASKMASTER_URL'] : undefined);
  const apiKey = options.apiKey ?? env['TASKMASTER_API_KEY'];
  if (url !== undefined) return targetOf(url, apiKey);
  const places = options.data === undefined ? [dataDirectory(undefined, env), demoDirectory(env)] : [dataDirectory(options.data, env)];
  for (const data of places) {
    const address = await addressIn(data);
    if (address !== undefined) return targetOf(address, apiKey ?? (await keyIn(data)));
  }
  throw new CommandFault(
    `No platform runs on this machine (looked in ${places.join(' and ')}).\n  Start one with \`task-master up\`, or say where it is with --url or TASKMASTER_URL.`,
  );
}

/** Where the platform of that directory listens; undefined when none runs. */
async function addressIn(data: string): Promise<string | undefined> {
  const record = await readRecord(data);
  if (record === undefined || !runs(record.supervisor.pid)) return undefined;
  if (record.port === 0) throw new CommandFault(`The platform on ${data} is still starting.\n  Ask again in a moment.`);
  return record.address;
}

function targetOf(url: string, apiKey: string | undefined): Target {
  if (!URL.canParse(url)) throw new CommandFault(`${url} is not a URL; write it like http://127.0.0.1:3000.`, EXIT.usage);
  return apiKey === undefined ? { url } : { url, apiKey };
}

/** Whether a process of this id exists; a stale record is refused by the connection that follows. */
function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function keyIn(data: string): Promise<string | undefined> {
  try {
    return (await readFile(join(data, 'api-key'), 'utf8')).trim();
  } catch {
    return undefined;
  }
}

export async function connectClient(options: TargetOptions, around: Surroundings): Promise<Client> {
  const { url, apiKey } = await findTarget(options, around);
  const client = createClient({ baseUrl: url, ...(apiKey === undefined ? {} : { apiKey }) });
  const { record } = options;
  if (record === undefined) return client;
  keepIn(record, '');
  return recordedClient(client, (line) => {
    keepIn(record, `${JSON.stringify(line)}\n`);
  });
}

/** At once and whole, so that what the platform said is kept whatever becomes of this process. @throws CommandFault */
function keepIn(file: string, text: string): void {
  try {
    appendFileSync(file, text, { mode: 0o600 });
  } catch (error) {
    throw new CommandFault(`${file} cannot be written: ${(error as Error).message}`, EXIT.usage);
  }
}
