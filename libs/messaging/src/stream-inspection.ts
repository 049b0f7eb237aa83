import { CONSUMERS, HEADER_EPOCH, HEADER_UPTO, HEADER_UPTO_EVENT, workStreamOf } from '@taskmaster/contracts';
import type { JetStreamManager } from 'nats';
import { LogRegressed } from './faults.js';
import { absentAsUndefined } from './topology.js';

/** What is known of the broker without asking it. */
export interface Evidence {
  readonly epoch: number;
  /** The highest position whose publication in this epoch was acknowledged, as far as anybody wrote down. */
  readonly acknowledgedUpto: number;
  /** The end of the log, before the stream was looked at. */
  readonly head: number;
  /** Reads the end of the log again: it may have grown, and another leader published that, while the stream was looked at. */
  readonly headNow: () => Promise<number>;
  /** The name of the event at a position of the log. */
  readonly eventAt: (position: number) => Promise<string | undefined>;
}

export const STREAM_LOSSES = ['stream-missing', 'hole', 'last-message-missing', 'not-ours', 'consumer-ahead', 'tail-lost'] as const;
export type StreamLoss = (typeof STREAM_LOSSES)[number];

export type Inspection =
  | { readonly kind: 'intact'; readonly sequence: number; readonly upto: number; readonly uptoEvent: string }
  | { readonly kind: 'lost'; readonly loss: StreamLoss };

const lost = (loss: StreamLoss): Inspection => ({ kind: 'lost', loss });

/** Compares an epoch's stream with what is known of it. `upto` 0 means that no marker closed its beginning. @throws LogRegressed */
export async function inspectStream(manager: JetStreamManager, evidence: Evidence): Promise<Inspection> {
  if (evidence.acknowledgedUpto > evidence.head) throw LogRegressed.at(evidence.acknowledgedUpto, evidence.head);
  const stream = workStreamOf(evidence.epoch);
  const state = (await absentAsUndefined(manager.streams.info(stream)))?.state;
  if (state === undefined) return lost('stream-missing');
  if (await isConsumerAhead(manager, stream, state.last_seq)) return lost('consumer-ahead');
  if (state.last_seq === 0)
    return evidence.acknowledgedUpto > 0 ? lost('tail-lost') : { kind: 'intact', sequence: 0, upto: 0, uptoEvent: '' };
  if (state.messages === 0) return lost('last-message-missing');
  if (state.messages !== state.last_seq - state.first_seq + 1) return lost('hole');
  return inspectLastMessage(manager, evidence, state.last_seq);
}

async function inspectLastMessage(manager: JetStreamManager, evidence: Evidence, sequence: number): Promise<Inspection> {
  const last = await absentAsUndefined(manager.streams.getMessage(workStreamOf(evidence.epoch), { seq: sequence }));
  if (last === undefined) return lost('last-message-missing');
  const upto = Number(last.header.get(HEADER_UPTO) || Number.NaN);
  if (!Number.isSafeInteger(upto) || Number(last.header.get(HEADER_EPOCH)) !== evidence.epoch) return lost('not-ours');
  const head = upto > evidence.head ? await evidence.headNow() : evidence.head;
  if (upto > head) throw LogRegressed.at(upto, head);
  const uptoEvent = last.header.get(HEADER_UPTO_EVENT);
  await compareEvents(evidence, upto, uptoEvent);
  return upto < evidence.acknowledgedUpto ? lost('tail-lost') : { kind: 'intact', sequence, upto, uptoEvent };
}

/** A log that was restored and has grown past its former end has other events where its stream was published from. */
async function compareEvents({ eventAt }: Evidence, upto: number, published: string): Promise<void> {
  if (published === '') return;
  const logged = (await eventAt(upto)) ?? 'absent';
  if (logged !== published) throw LogRegressed.otherwise(upto, published, logged);
}

async function isConsumerAhead(manager: JetStreamManager, stream: string, lastSequence: number): Promise<boolean> {
  for (const { name } of CONSUMERS) {
    const consumer = await absentAsUndefined(manager.consumers.info(stream, name));
    if (consumer !== undefined && consumer.delivered.stream_seq > lastSequence) return true;
  }
  return false;
}

/** The sequence below which every consumer has answered everything; 0 when one of them is missing. */
export async function consumersFloor(manager: JetStreamManager, stream: string, lastSequence: number): Promise<number> {
  let floor = lastSequence;
  for (const { name } of CONSUMERS) {
    const consumer = await absentAsUndefined(manager.consumers.info(stream, name));
    if (consumer === undefined) return 0;
    // A consumer whose subject is quiet has nothing left below the end of the stream, whatever its floor says.
    const isIdle = consumer.num_pending === 0 && consumer.num_ack_pending === 0;
    if (!isIdle) floor = Math.min(floor, consumer.ack_floor.stream_seq);
  }
  return floor;
}
