import { invariant, type Timestamp } from '@taskmaster/contracts';

/** Object ids of the element types, as every Postgres has them. */
const OIDS = { text: 25, json: 114, integer: 23, smallint: 21, 'double precision': 701, timestamptz: 1184, uuid: 2950 } as const;

/** Element types of the arrays that a statement is given. */
export type ColumnType = keyof typeof OIDS;

type Value = string | number | null;

const HEADER_BYTES = 20;
/** Postgres counts time from the first day of 2000. */
const EPOCH_MS = Date.UTC(2000, 0, 1);
const TWO_32 = 2 ** 32;

/**
 * Rows for one table, sent as one array per column in Postgres' binary form: nothing is quoted here and taken apart there, which is
 * most of what text arrays of JSON cost.
 */
export class ArrayColumns {
  private readonly columns: readonly Value[][];

  constructor(private readonly types: readonly ColumnType[]) {
    this.columns = types.map(() => []);
  }

  add(...row: readonly Value[]): void {
    invariant(row.length === this.types.length, 'a row has a value for each column');
    for (let i = 0; i < row.length; i += 1) this.columns[i]?.push(row[i] ?? null);
  }

  /** One parameter per column. */
  parameters(): readonly Buffer[] {
    return this.columns.map((values, i) => encodeArray(values, this.types[i] ?? 'text'));
  }
}

/** The statement's placeholders for these types, from `$first` on. */
export const placeholders = (types: readonly ColumnType[], first: number): string =>
  types.map((type, i) => `$${String(first + i)}::${type}[]`).join(', ');

function encodeArray(values: readonly Value[], type: ColumnType): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + sizeOf(values, type));
  buffer.writeInt32BE(values.length === 0 ? 0 : 1, 0);
  buffer.writeInt32BE(values.includes(null) ? 1 : 0, 4);
  buffer.writeInt32BE(OIDS[type], 8);
  if (values.length === 0) return buffer.subarray(0, 12);
  buffer.writeInt32BE(values.length, 12);
  buffer.writeInt32BE(1, 16);
  let at = HEADER_BYTES;
  for (const value of values) {
    const written = value === null ? -1 : encodeValue(buffer, at + 4, value, type);
    buffer.writeInt32BE(written, at);
    at += 4 + Math.max(0, written);
  }
  return buffer.subarray(0, at);
}

/** Bytes that the values take at most: a unit of UTF-16 becomes at most three. */
function sizeOf(values: readonly Value[], type: ColumnType): number {
  if (type !== 'text' && type !== 'json') return values.length * (4 + 16);
  let size = values.length * 4;
  for (const value of values) if (typeof value === 'string') size += value.length * 3;
  return size;
}

/** Writes one value and answers its size in bytes. */
function encodeValue(buffer: Buffer, at: number, value: string | number, type: ColumnType): number {
  switch (type) {
    case 'text':
    case 'json':
      return buffer.write(value as string, at);
    case 'uuid':
      return buffer.write((value as string).replaceAll('-', ''), at, 'hex');
    case 'integer':
      buffer.writeInt32BE(value as number, at);
      return 4;
    case 'smallint':
      buffer.writeInt16BE(value as number, at);
      return 2;
    case 'double precision':
      buffer.writeDoubleBE(value as number, at);
      return 8;
    case 'timestamptz':
      return encodeInstant(buffer, at, value as Timestamp);
  }
}

/** Microseconds as a 64-bit integer, high half first. */
function encodeInstant(buffer: Buffer, at: number, instant: Timestamp): number {
  const microseconds = (Date.parse(instant) - EPOCH_MS) * 1000;
  buffer.writeInt32BE(Math.floor(microseconds / TWO_32), at);
  buffer.writeUInt32BE(microseconds - Math.floor(microseconds / TWO_32) * TWO_32, at + 4);
  return 8;
}
