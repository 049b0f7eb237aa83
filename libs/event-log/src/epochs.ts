import type pg from 'pg';
import { faultOf } from './faults.js';

/** The broker's epoch as the log remembers it. */
export interface EpochRow {
  readonly epoch: number;
  readonly acknowledgedUpto: number;
}

const CURRENT = `
  select epoch, acknowledged_upto as "acknowledgedUpto"
  from work_epoch
  where k = 1`;

const BUMP = `
  update work_epoch
  set epoch = epoch + 1, acknowledged_upto = 0, stream_created = clock_timestamp()
  where k = 1 and epoch = $1`;

const ACKNOWLEDGE = `
  update work_epoch
  set acknowledged_upto = greatest(acknowledged_upto, $2)
  where k = 1 and epoch = $1
  returning epoch`;

/** Where epochs of the broker are kept: one row, changed by compare-and-set. */
export class PostgresEpochStore {
  constructor(private readonly pool: pg.Pool) {}

  async current(): Promise<EpochRow> {
    const [row] = await this.rows<EpochRow>({ name: 'epoch-current', text: CURRENT, values: [] });
    return row ?? { epoch: 0, acknowledgedUpto: 0 };
  }

  async bump(from: number): Promise<number> {
    await this.rows({ name: 'epoch-bump', text: BUMP, values: [from] });
    return (await this.current()).epoch;
  }

  /** @returns whether that epoch is in force; nothing is recorded otherwise */
  async acknowledge(epoch: number, upto: number): Promise<boolean> {
    return (await this.rows({ name: 'epoch-acknowledge', text: ACKNOWLEDGE, values: [epoch, upto] })).length > 0;
  }

  private async rows<Row extends object>(query: { name: string; text: string; values: unknown[] }): Promise<readonly Row[]> {
    try {
      return (await this.pool.query<Row>(query)).rows;
    } catch (error) {
      throw faultOf('keeping the epoch', error);
    }
  }
}
