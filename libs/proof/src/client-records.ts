import { err, ok, type Result } from '@taskmaster/contracts';

/** What a client keeps of what it was told: one line of an NDJSON file each. */
export type ClientRecord = AcceptedRecord | RefusedRecord | FollowedRecord | SeenRecord;

/** A command was accepted: its last event is there. `version` and `position` are 0 when there was nothing to record. */
export interface AcceptedRecord {
  readonly kind: 'accepted';
  readonly key: string;
  readonly stream: string;
  readonly version: number;
  readonly position: number;
}

/** A command was refused for good. A refusal that passes, such as "not now", is no record. */
export interface RefusedRecord {
  readonly kind: 'refused';
  readonly key: string;
  readonly stream: string;
  readonly code: string;
}

/** A live feed was opened after a position: of one stream, or of the whole tenant. */
export interface FollowedRecord {
  readonly kind: 'followed';
  readonly feed: string;
  readonly after: number;
  readonly stream?: string;
}

/** An event came on that feed, over as many connections as it took. */
export interface SeenRecord {
  readonly kind: 'seen';
  readonly feed: string;
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
}

const FIELDS: Readonly<Record<ClientRecord['kind'], Readonly<Record<string, 'string' | 'number'>>>> = {
  accepted: { key: 'string', stream: 'string', version: 'number', position: 'number' },
  refused: { key: 'string', stream: 'string', code: 'string' },
  followed: { feed: 'string', after: 'number' },
  seen: { feed: 'string', position: 'number', stream: 'string', version: 'number', type: 'string' },
};

/** Reads an NDJSON file of records; empty lines are none. The error names the first line that is no record. */
export function parseClientRecords(text: string): Result<readonly ClientRecord[], string> {
  const records: ClientRecord[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const record = parseLine(line);
    if (record === undefined) return err(`line ${String(index + 1)} is not a client's record`);
    records.push(record);
  }
  return ok(records);
}

function parseLine(line: string): ClientRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const record = value as Readonly<Record<string, unknown>>;
  const kind = record['kind'];
  if (typeof kind !== 'string' || !isKind(kind)) return undefined;
  if (!Object.entries(FIELDS[kind]).every(([name, type]) => typeof record[name] === type)) return undefined;
  return record as unknown as ClientRecord;
}

const isKind = (text: string): text is ClientRecord['kind'] => Object.hasOwn(FIELDS, text);
