import { invariant, type Timestamp } from '@taskmaster/contracts';

/** Object ids of the column types, as every Postgres has them. */
const OIDS = {
  text: 25,
  json: 114,
  integer: 23,
  smallint: 21,
  'double precision': 701,
  timestamptz: 1184,
  uuid: 2950,
  bytea: 17,
} as const;

export type ColumnType = keyof typeof OIDS;
type Value = string | number | null;

const BYTES_AT_FIRST = 4 * 1024;
/** What a parameter starts with. */
const HEAD_BYTES = 20;
/** What a value of no text takes at most: object id, length and 16 bytes of a UUID. */
const FIXED_BYTES = 24;
/** Postgres counts time from the first day of 2000. */
const EPOCH_MS = Date.UTC(2000, 0, 1);
const TWO_32 = 2 ** 32;

/**
 * Rows of a composite type, sent as one array in Postgres' binary form: nothing is quoted here and taken apart there, which is most of
 * what arrays of JSON cost as text.
 */
export class CompositeRows {
  /** Made with the first row: most appends have rows of a few types only. */
  private buffer = Buffer.alloc(0);
  private at = HEAD_BYTES;
  private count = 0;

  constructor(
    /** Object id of the composite type in the database that is asked. */
    private readonly oid: number,
    private readonly types: readonly ColumnType[],
  ) {}

  /** Adds a row: a value for each column, `bytea` and `uuid` in hex. */
  add(...row: readonly Value[]): void {
    invariant(row.length === this.types.length, 'a row has a value for each column');
    this.reserve(row);
    const start = this.at;
    this.buffer.writeInt32BE(row.length, start + 4);
    this.at += 8;
    for (let i = 0; i < row.length; i += 1) this.addValue(row[i] ?? null, this.types[i] ?? 'text');
    this.buffer.writeInt32BE(this.at - start - 4, start);
    this.count += 1;
  }

  /** The parameter. */
  toParameter(): Buffer {
    const { count } = this;
    const buffer = count === 0 ? Buffer.allocUnsafe(12) : this.buffer;
    buffer.writeInt32BE(count === 0 ? 0 : 1, 0);
    buffer.writeInt32BE(0, 4);
    buffer.writeInt32BE(this.oid, 8);
    if (count === 0) return buffer;
    buffer.writeInt32BE(count, 12);
    buffer.writeInt32BE(1, 16);
    return buffer.subarray(0, this.at);
  }

  private reserve(row: readonly Value[]): void {
    let size = this.at + 8 + row.length * FIXED_BYTES;
    // A unit of UTF-16 takes at most three bytes.
    for (const value of row) if (typeof value === 'string') size += value.length * 3;
    if (size <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(BYTES_AT_FIRST, size * 2));
    if (this.count > 0) this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
  }

  private addValue(value: Value, type: ColumnType): void {
    this.buffer.writeInt32BE(OIDS[type], this.at);
    const written = value === null ? -1 : encode(this.buffer, this.at + 8, value, type);
    this.buffer.writeInt32BE(written, this.at + 4);
    this.at += 8 + Math.max(0, written);
  }
}

/** Writes one value and answers its size in bytes. */
function encode(buffer: Buffer, at: number, value: string | number, type: ColumnType): number {
  switch (type) {
    case 'text':
    case 'json':
      return buffer.write(value as string, at);
    case 'uuid':
      return buffer.write((value as string).replaceAll('-', ''), at, 'hex');
    case 'bytea':
      return buffer.write(value as string, at, 'hex');
    case 'integer':
      return buffer.writeInt32BE(value as number, at) - at;
    case 'smallint':
      return buffer.writeInt16BE(value as number, at) - at;
    case 'double precision':
      return buffer.writeDoubleBE(value as number, at) - at;
    case 'timestamptz':
      return encodeInstant(buffer, at, value as Timestamp);
  }
}

/** Microseconds as a 64-bit integer, high half first. */
function encodeInstant(buffer: Buffer, at: number, instant: Timestamp): number {
  const microseconds = (Date.parse(instant) - EPOCH_MS) * 1000;
  const high = Math.floor(microseconds / TWO_32);
  buffer.writeInt32BE(high, at);
  return buffer.writeUInt32BE(microseconds - high * TWO_32, at + 4) - at;
}
