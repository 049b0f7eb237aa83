import { workStreamOf, type Notice } from '@taskmaster/contracts';
import type { JetStreamManager, NatsConnection } from 'nats';
import { LogRegressed, WorkStreamLost } from './faults.js';
import { FencedPublisher, type PublisherStart } from './fenced-publisher.js';
import { MARKER, packNotices } from './notice-packing.js';
import { Silence } from './silence.js';
import { consumersFloor, inspectStream, type StreamLoss } from './stream-inspection.js';
import { absentAsUndefined, ensureTopology, existingEpochs, STREAM_SETTINGS_DEFAULT, type StreamSettings } from './topology.js';
import { systemTimers, type Timers } from './timers.js';

export interface EpochRecord {
  /** 0 before the first. */
  readonly epoch: number;
  /** Evidence: the highest position acknowledged in this epoch; 0 in a new one. */
  readonly acknowledgedUpto: number;
}

/** Where epochs are kept: one row in Postgres. */
export interface EpochStore {
  current(): Promise<EpochRecord>;
  /** Compare-and-set from `from` to the next, with `acknowledgedUpto` 0. @returns the epoch that is in force afterwards, whoever won */
  bump(from: number): Promise<number>;
  /** Never lowers what is recorded; ignored when that epoch is over. @returns whether it is in force */
  acknowledge(epoch: number, upto: number): Promise<boolean>;
}

/** What the stream is a copy of. */
export interface WorkSource {
  /** The last position of the log. */
  head(): Promise<number>;
  /** The name of the event at a position; undefined when the log does not reach that far. */
  eventAt(position: number): Promise<string | undefined>;
  /** Every notice that is still to be answered, in pages. Read after `head`, so it covers at least that. */
  openWork(): AsyncIterable<readonly Notice[]>;
}

/** A read of the log: the notices among the positions after `after` up to `upto`. */
export interface WorkRead {
  readonly after: number;
  readonly upto: number;
  /** The name of the event at `upto`; absent when the read is empty. */
  readonly uptoEvent?: string;
  readonly notices: readonly Notice[];
}

export interface Opened {
  readonly epoch: number;
  /** Publishing goes on after this position. */
  readonly resumeAfter: number;
  /** Why open work was published again, if it was. */
  readonly redriven?: StreamLoss | 'no-marker';
}

/** Points that a script can hold on to in a spec. */
export type WorkStreamPoint = 'epoch-bumped' | 'streams-deleted' | 'stream-created' | 'work-redriven' | 'before-publish' | 'after-part';

const EVIDENCE_INTERVAL_MS = 250;
const QUIET_MS = 1_000;
/** A question that a broken connection swallowed is asked again soon. */
const API_TIMEOUT_MS = 1_000;
const PURGE_INTERVAL_MS = 10_000;

/**
 * The relay's side of the work stream. One leader at a time is wanted, any number is safe. After any WorkStreamLost: still the leader?
 * then `open` again and go on after `resumeAfter`.
 */
export class WorkStream {
  #publisher: FencedPublisher | undefined;
  #manager: JetStreamManager | undefined;
  #epochs: EpochStore | undefined;
  #epoch = 0;
  /** The end of the last read handed in; ahead of the publisher's `upto` while reads hold no notices. */
  #read = 0;
  #readEvent = '';
  #quietSince: number | undefined;
  #purgedAt: number;
  #evidenceAt = 0;
  #evidence: Promise<void> = Promise.resolve();
  #isSavingEvidence = false;

  constructor(
    private readonly connection: NatsConnection,
    private readonly settings: StreamSettings = STREAM_SETTINGS_DEFAULT,
    private readonly onPoint?: (point: WorkStreamPoint) => Promise<void>,
    private readonly timers: Timers = systemTimers,
  ) {
    this.#purgedAt = timers.now();
  }

  /** Finds the stream as it should be and resumes, or starts a new epoch. @throws LogRegressed, TopologyDiffers, WorkStreamLost */
  async open(epochs: EpochStore, source: WorkSource): Promise<Opened> {
    const remembered = { epoch: this.#epoch, upto: this.#publisher?.acknowledgedUpto ?? 0 };
    this.#publisher?.close();
    await this.#evidence;
    this.#epochs = epochs;
    try {
      const manager = (this.#manager = await this.connection.jetstreamManager({ checkAPI: false, timeout: API_TIMEOUT_MS }));
      const record = await epochs.current();
      const head = await source.head();
      const acknowledgedUpto = Math.max(record.acknowledgedUpto, remembered.epoch === record.epoch ? remembered.upto : 0);
      const found = await inspectStream(manager, {
        ...{ epoch: record.epoch, acknowledgedUpto, head },
        headNow: () => source.head(),
        eventAt: (position) => source.eventAt(position),
      });
      if (found.kind === 'lost') return await this.#startEpoch(record.epoch, source, found.loss);
      // Not in the same stream again: what was published there first may be in somebody's hands, and be answered where other work stands now.
      if (found.upto === 0 && head > 0) return await this.#startEpoch(record.epoch, source, 'no-marker');
      await ensureTopology(manager, record.epoch, this.settings);
      this.#startPublisher({ ...found, epoch: record.epoch });
      return { epoch: record.epoch, resumeAfter: found.upto };
    } catch (error) {
      throw this.#notOpened(error);
    }
  }

  /**
   * Publishes a read; returns when it is sent, which is before it is in the stream (`flush`). Reads are handed in one after the other,
   * each where the one before it ended. @throws WorkStreamLost
   */
  async publish(read: WorkRead): Promise<void> {
    const publisher = this.#opened();
    if (read.after !== this.#read) throw new RangeError(`the read starts after ${String(read.after)}, not ${String(this.#read)}`);
    this.#read = read.upto;
    this.#readEvent = read.uptoEvent ?? this.#readEvent;
    const messages = packNotices(read.notices);
    if (messages.length === 0) {
      this.#quietSince ??= this.timers.now();
      return;
    }
    this.#quietSince = undefined;
    const last = messages.at(-1);
    for (const message of messages) {
      if (this.onPoint !== undefined) await this.onPoint('before-publish');
      await (message === last ? publisher.publish(message, read.upto, this.#readEvent) : publisher.publish(message));
      if (this.onPoint !== undefined && message !== last) await this.onPoint('after-part');
    }
  }

  /** Waits until everything published is in the stream. @throws WorkStreamLost */
  async flush(): Promise<void> {
    await this.#opened().flush();
  }

  /** The position up to which the stream is known to cover the log. */
  get acknowledgedUpto(): number {
    return this.#publisher?.acknowledgedUpto ?? 0;
  }

  /**
   * The relay's idle check, every 500 ms or so: the stream still ends where it should, a marker follows the log when it moved on without
   * notices, and what every consumer has answered is purged. @throws WorkStreamLost
   */
  async check(): Promise<void> {
    const publisher = this.#opened();
    const manager = this.#manager as JetStreamManager;
    const stream = workStreamOf(this.#epoch);
    try {
      // Of what was refused or never answered, nobody may have heard who is still to publish anything.
      publisher.throwIfLost();
      const before = publisher.acknowledgedSequence;
      const state = (await absentAsUndefined(manager.streams.info(stream)))?.state;
      if (state === undefined) throw new WorkStreamLost('stream-missing');
      if (state.last_seq < before) throw new WorkStreamLost('tail-lost');
      if (state.last_seq > publisher.sequence) throw new WorkStreamLost('somebody else extended it');
      if (this.#quietSince !== undefined && this.timers.now() - this.#quietSince >= QUIET_MS && this.#read > publisher.upto) {
        this.#quietSince = undefined;
        await publisher.publish(MARKER, this.#read, this.#readEvent);
      }
      if (this.timers.now() - this.#purgedAt >= PURGE_INTERVAL_MS) await this.purge();
    } catch (error) {
      throw asLost(error);
    }
  }

  /** Removes what every consumer has answered, but never the last message: the next leader resumes from it. */
  async purge(): Promise<void> {
    const manager = this.#manager;
    const publisher = this.#opened();
    this.#purgedAt = this.timers.now();
    const stream = workStreamOf(this.#epoch);
    const sequence = publisher.acknowledgedSequence;
    const floor = manager === undefined ? 0 : await consumersFloor(manager, stream, sequence);
    // `seq` is the first message to stay.
    const keepFrom = Math.min(floor + 1, sequence);
    if (manager !== undefined && keepFrom > 1) await manager.streams.purge(stream, { seq: keepFrom });
  }

  /** Stops publishing, keeping what is known of the broker. */
  async close(): Promise<void> {
    this.#publisher?.close();
    await this.#evidence;
  }

  #notOpened(error: unknown): unknown {
    this.#publisher?.close();
    if (isOfClient(error)) Silence.of(this.connection)?.note();
    return asLost(error);
  }

  #opened(): FencedPublisher {
    if (this.#publisher === undefined) throw new WorkStreamLost('not opened');
    // Whoever has nothing more to publish would not hear of a refusal otherwise.
    if (this.#publisher.lost !== undefined) throw this.#publisher.lost;
    return this.#publisher;
  }

  #startPublisher(start: PublisherStart): FencedPublisher {
    this.#epoch = start.epoch;
    this.#read = start.upto;
    this.#readEvent = start.uptoEvent;
    this.#quietSince = undefined;
    this.#publisher = new FencedPublisher(this.connection, start, (upto) => this.#onAcknowledged(upto), this.timers);
    return this.#publisher;
  }

  async #startEpoch(from: number, source: WorkSource, loss: NonNullable<Opened['redriven']>): Promise<Opened> {
    const epochs = this.#epochs as EpochStore;
    const manager = this.#manager as JetStreamManager;
    await this.#refuseUnknownEpochs(from);
    const epoch = await epochs.bump(from);
    await this.onPoint?.('epoch-bumped');
    const existing = await existingEpochs(manager);
    if ((await epochs.current()).epoch !== epoch) throw new WorkStreamLost('a newer epoch has begun');
    // Their subjects overlap, so only one stream can exist; and old consumers would never see what is published again.
    for (const old of existing) if (old !== epoch) await absentAsUndefined(manager.streams.delete(workStreamOf(old)));
    await this.onPoint?.('streams-deleted');
    await ensureTopology(manager, epoch, this.settings);
    await this.onPoint?.('stream-created');
    // Whoever else starts this epoch is refused by the fence from the first message on.
    this.#startPublisher({ epoch, sequence: 0, upto: 0, uptoEvent: '' });
    return this.#redrive(source, loss);
  }

  /** An epoch is in the log before its stream is, so a stream of a later epoch was made by another leader, or by a log that lost its end. */
  async #refuseUnknownEpochs(known: number): Promise<void> {
    const newest = (await existingEpochs(this.#manager as JetStreamManager)).at(-1) ?? 0;
    if (newest <= known) return;
    const { epoch } = await (this.#epochs as EpochStore).current();
    if (epoch < newest) throw LogRegressed.beforeEpoch(newest, epoch);
    throw new WorkStreamLost('a newer epoch has begun');
  }

  /** Publishes all open work as parts and closes them with a marker at the head that was read first. */
  async #redrive(source: WorkSource, redriven: NonNullable<Opened['redriven']>): Promise<Opened> {
    const publisher = this.#opened();
    const head = await source.head();
    for await (const notices of source.openWork()) {
      for (const message of packNotices(notices)) await publisher.publish(message, 0);
    }
    await this.onPoint?.('work-redriven');
    const headEvent = head === 0 ? '' : ((await source.eventAt(head)) ?? '');
    await publisher.publish(MARKER, head, headEvent);
    await publisher.flush();
    this.#read = head;
    this.#readEvent = headEvent;
    return { epoch: this.#epoch, resumeAfter: head, redriven };
  }

  /** Evidence may lag: what it misses, the next leader reads from the log again. */
  #onAcknowledged(upto: number): void {
    if (upto === 0 || this.#isSavingEvidence || this.timers.now() - this.#evidenceAt < EVIDENCE_INTERVAL_MS) return;
    this.#isSavingEvidence = true;
    this.#evidenceAt = this.timers.now();
    const publisher = this.#publisher;
    this.#evidence = (this.#epochs as EpochStore)
      .acknowledge(this.#epoch, upto)
      .then(
        (isInForce) => {
          // A leader of old that woke up in the middle of opening it began another one, and cannot go on with it.
          if (!isInForce) publisher?.close('a newer epoch has begun');
        },
        () => undefined,
      )
      .finally(() => {
        this.#isSavingEvidence = false;
      });
  }
}

/** What the client throws: no answer, or one that nobody can give now. */
const isOfClient = (error: unknown): error is Error => error instanceof Error && error.name === 'NatsError';

const OWN_FAULTS = new Set(['TopologyDiffers', 'LogRegressed', 'WorkStreamLost']);

/** What the client throws means one thing to the relay; our own faults and the database's stay what they are. */
function asLost(error: unknown): unknown {
  if (!(error instanceof Error) || OWN_FAULTS.has(error.name)) return error;
  return isOfClient(error) ? new WorkStreamLost(error.message, { cause: error }) : error;
}
