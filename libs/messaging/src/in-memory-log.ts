import type { Notice } from '@taskmaster/contracts';
import type { EpochRecord, EpochStore, WorkRead, WorkSource } from './work-stream.js';

/** A log of notices and its epochs without a database: one notice per position, for specs and simulations. */
export class InMemoryLog implements EpochStore, WorkSource {
  readonly #notices: Notice[] = [];
  readonly #answered = new Set<number>();
  #record: EpochRecord = { epoch: 0, acknowledgedUpto: 0 };

  append(...notices: readonly Omit<Notice, 'position'>[]): number {
    for (const notice of notices) this.#notices.push({ ...notice, position: this.#notices.length + 1 });
    return this.#notices.length;
  }

  /** The notice at that position needs no answer any more. */
  answer(position: number): void {
    this.#answered.add(position);
  }

  /** Forgets everything after a position, as a restored backup does. */
  truncate(position: number): void {
    this.#notices.length = position;
  }

  read(after: number, limit = Number.POSITIVE_INFINITY): WorkRead {
    const notices = this.#notices.slice(after, after + limit);
    const last = notices.at(-1);
    return { after, upto: after + notices.length, notices, ...(last === undefined ? {} : { uptoEvent: last.eventId }) };
  }

  eventAt(position: number): Promise<string | undefined> {
    return Promise.resolve(this.#notices[position - 1]?.eventId);
  }

  current(): Promise<EpochRecord> {
    return Promise.resolve(this.#record);
  }

  bump(from: number): Promise<number> {
    if (this.#record.epoch === from) this.#record = { epoch: from + 1, acknowledgedUpto: 0 };
    return Promise.resolve(this.#record.epoch);
  }

  acknowledge(epoch: number, upto: number): Promise<boolean> {
    if (epoch !== this.#record.epoch) return Promise.resolve(false);
    this.#record = { epoch, acknowledgedUpto: Math.max(upto, this.#record.acknowledgedUpto) };
    return Promise.resolve(true);
  }

  head(): Promise<number> {
    return Promise.resolve(this.#notices.length);
  }

  async *openWork(): AsyncGenerator<readonly Notice[]> {
    const open = this.#notices.filter(({ position }) => !this.#answered.has(position));
    for (let start = 0; start < open.length; start += 100) yield await Promise.resolve(open.slice(start, start + 100));
  }
}
