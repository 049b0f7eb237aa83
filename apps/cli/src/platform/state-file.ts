import { join } from 'node:path';
import { isSameProcess, readIfPresent, writeWhole, type ProcessIdentity } from '@taskmaster/provision';
import { endProcess } from './service-process.js';

/** What runs on a data directory, so that the next start finds it after any or all of it was killed. Holds no secrets. */
export interface PlatformRecord {
  readonly version: 1;
  readonly supervisor: ProcessIdentity;
  readonly address: string;
  readonly port: number;
  readonly servers: Readonly<Record<string, ProcessIdentity>>;
  readonly services: Readonly<Record<string, ProcessIdentity>>;
}

const fileIn = (data: string): string => join(data, 'platform.json');

/** The record of the last or present run on that directory. */
export async function readRecord(data: string): Promise<PlatformRecord | undefined> {
  const text = await readIfPresent(fileIn(data));
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as PlatformRecord;
    return record.version === 1 ? record : undefined;
  } catch {
    return undefined;
  }
}

export const writeRecord = (data: string, record: PlatformRecord): Promise<void> =>
  writeWhole(fileIn(data), `${JSON.stringify(record, undefined, 2)}\n`);

/** Ends the services of a supervisor that was killed; they drain by themselves as well, but a new one must not wait for that. */
export async function endLeftServices(record: PlatformRecord): Promise<readonly string[]> {
  const left: string[] = [];
  for (const [name, identity] of Object.entries(record.services)) if (await isSameProcess(identity)) left.push(name);
  await Promise.all(left.map((name) => endProcess(record.services[name] as ProcessIdentity)));
  return left;
}
