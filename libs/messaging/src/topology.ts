import { CONSUMERS, SUBJECT_WORK_ALL, subjectOfWork, WORK_STREAM_PATTERN, workStreamOf } from '@taskmaster/contracts';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  NatsError,
  nanos,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from 'nats';
import { TopologyDiffers } from './faults.js';

export interface StreamSettings {
  readonly replicas: number;
  /** The stream refuses what would make it larger; the log is the buffer then. */
  readonly bytesMax: number;
}
export const STREAM_SETTINGS_DEFAULT: StreamSettings = { replicas: 1, bytesMax: 256 * 1024 * 1024 };

/** How long a consumer may be silent about a message before it is delivered again: what a worker held that died waits this long. */
export const ACK_WAIT_MS = 500;
/** Messages of one consumer that may be unanswered; delivery stops there. */
export const ACK_PENDING_MAX = 2_048;
/** The least that a server takes. Message ids are there for the next message to name, not for the server to remember. */
const DUPLICATE_WINDOW_MS = 100;

// `nanos` takes milliseconds.
const streamConfig = (epoch: number, settings: StreamSettings) =>
  ({
    name: workStreamOf(epoch),
    subjects: [SUBJECT_WORK_ALL],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    storage: StorageType.File,
    num_replicas: settings.replicas,
    max_bytes: settings.bytesMax,
    max_age: 0,
    max_msgs: -1,
    max_msgs_per_subject: -1,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
  }) satisfies Partial<StreamConfig>;

const consumerConfig = ({ name, group }: (typeof CONSUMERS)[number]) =>
  ({
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    filter_subject: subjectOfWork(group),
    ack_wait: nanos(ACK_WAIT_MS),
    max_deliver: -1,
    max_ack_pending: ACK_PENDING_MAX,
  }) satisfies Partial<ConsumerConfig>;

/**
 * Creates the stream of an epoch and its consumers, or finds them as they should be; how many copies there are and the wait for an
 * acknowledgement may change. @throws TopologyDiffers
 */
export async function ensureTopology(manager: JetStreamManager, epoch: number, settings: StreamSettings): Promise<void> {
  const wanted = streamConfig(epoch, settings);
  const existing = await absentAsUndefined(manager.streams.info(wanted.name));
  let stream = existing ?? (await manager.streams.add(wanted));
  if (stream.config.num_replicas !== wanted.num_replicas)
    stream = await manager.streams.update(wanted.name, { ...stream.config, num_replicas: wanted.num_replicas });
  compare(`stream ${wanted.name}`, wanted, stream.config);
  for (const consumer of CONSUMERS) {
    const config = consumerConfig(consumer);
    const found = await absentAsUndefined(manager.consumers.info(wanted.name, consumer.name));
    const made = found ?? (await manager.consumers.add(wanted.name, config));
    // An earlier version may have given it another patience; that may change while it is used.
    const isPatient = made.config.ack_wait === config.ack_wait;
    const { config: effective } = isPatient
      ? made
      : await manager.consumers.update(wanted.name, consumer.name, { ...made.config, ack_wait: config.ack_wait });
    compare(`consumer ${consumer.name}`, config, effective);
  }
}

function compare(where: string, wanted: object, effective: object): void {
  const granted = effective as Readonly<Record<string, unknown>>;
  const differences = Object.entries(wanted).flatMap(([key, value]) =>
    JSON.stringify(value) === JSON.stringify(granted[key] ?? (value === 0 ? 0 : undefined))
      ? []
      : [`${key} is ${JSON.stringify(granted[key])}, not ${JSON.stringify(value)}`],
  );
  if (differences.length > 0) throw new TopologyDiffers(where, differences);
}

/** The epochs whose streams exist, ascending. */
export async function existingEpochs(manager: JetStreamManager): Promise<readonly number[]> {
  const epochs: number[] = [];
  for await (const name of manager.streams.names()) {
    const match = WORK_STREAM_PATTERN.exec(name);
    if (match !== null) epochs.push(Number(match[1]));
  }
  return epochs.sort((a, b) => a - b);
}

const NOT_FOUND = 404;

/** An answer "not found" as undefined; every other failure stays one. */
export async function absentAsUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.code === NOT_FOUND) return undefined;
    throw error;
  }
}
