import { timestampOf, type CommandEnvelope, type Timestamp } from '@taskmaster/contracts';
import {
  LeaderCandidate,
  migrate,
  openPools,
  PostgresEpochStore,
  PostgresEventStore,
  PostgresOpenWork,
  requireSchema,
  type OpenWork,
  type Pools,
} from '@taskmaster/event-log';
import { FeedPublisher, onReconnect, STREAM_SETTINGS_DEFAULT, WorkStream, type connectBroker } from '@taskmaster/messaging';
import type { Logger } from '@taskmaster/service-kit';
import { AdmissionReactor } from './admission.reactor.js';
import { issueBootstrapKey } from './bootstrap-key.js';
import { ChildrenReactor, type ChildrenOptions } from './children.reactor.js';
import type { StateConfig } from './config.js';
import type { Answer } from './decide-stream.js';
import { endedAmong } from './ended.js';
import { CommandHandler } from './handle-command.js';
import { Lists } from './lists.js';
import { LocalWork } from './local-work.js';
import { QueryAnswers } from './queries.js';
import { Requirements } from './requirements.js';
import { RelayWorker, type RelayWorkerOptions } from './relay.worker.js';
import { SweepWorker } from './sweep.worker.js';
import { Sweeper } from './sweeper.js';

/** The parts of one replica, wired. */
export interface StateService {
  readonly handler: CommandHandler;
  readonly queries: QueryAnswers;
  readonly requirements: Requirements;
  readonly relay: RelayWorker;
  readonly pools: Pools;
  readonly here: LocalWork;
  /** Stops the relay and closes the database, after commands have drained. */
  close(): Promise<void>;
}

export interface Surroundings {
  readonly connection: Awaited<ReturnType<typeof connectBroker>>;
  readonly logger: Logger;
  /** The log lost commits that were published. */
  readonly onRegressed: (error: Error) => void;
}

const RELAY_LOCK = 1;

const now = (): Timestamp => timestampOf(Date.now());

/** Opens the database and starts everything but the doors. */
export async function openStateService(config: StateConfig, { connection, logger, onRegressed }: Surroundings): Promise<StateService> {
  const { pools, lists } = await openDatabase(config, logger);
  const store = new PostgresEventStore(pools);
  const openWork = new PostgresOpenWork(pools.write);
  const feed = new FeedPublisher(connection);
  const slotsMax = config.MAX_CONCURRENT_WORKFLOWS;
  const requirements = new Requirements(pools);
  const warning =
    (what: string) =>
    (error: unknown): void => {
      logger.warn({ err: error }, what);
    };
  const send = (envelope: CommandEnvelope): Promise<Answer> => handler.handle(envelope);
  const admission = new AdmissionReactor({ openWork, slotsMax, send, onFault: warning('admission failed') });
  const today: ChildrenOptions['today'] = (streams) => handler.loader.refresh(streams);
  const children = new ChildrenReactor({ today, openWork, send, clock: now, onFault: warning('a child workflow was not brought on') });
  const here = new LocalWork();
  const handler: CommandHandler = new CommandHandler({
    store,
    slotsMax,
    clock: now,
    leads: () => relay.leads,
    takesHere: (notice) => here.takes(notice),
    onCommitted: (commit) => {
      relay.offer(commit);
      feed.publish(commit.events, endedAmong(commit));
      children.onCommitted(commit);
    },
    onQuotas: (quotas) => admission.onQuotas(quotas),
    onFault: ({ detail, error, ...fields }) => {
      logger.error({ ...fields, err: error, detail }, 'a command could not be decided');
    },
  });
  const candidate = new LeaderCandidate({ url: config.DATABASE_URL, purpose: RELAY_LOCK });
  const relay: RelayWorker = relayOf({
    config,
    connection,
    logger,
    onRegressed,
    pools,
    store,
    openWork,
    send,
    admission,
    children,
    candidate,
  });
  const queries = new QueryAnswers({ pools, store, openWork, loader: handler.loader, lists, requirements, slotsMax, now });
  relay.start();
  const close = async (): Promise<void> => {
    await handler.idle();
    await relay.stop();
    await Promise.all([admission.idle(), children.idle()]);
    await handler.idle();
    await candidate.close();
    await lists.close();
    await pools.close();
  };
  await issueFirstKey(config, handler, logger);
  return { handler, queries, requirements, relay, pools, here, close };
}

/** Migrates, and opens the pools and what lists are read by. */
async function openDatabase(config: StateConfig, logger: Logger): Promise<{ readonly pools: Pools; readonly lists: Lists }> {
  const ran = await migrate(config.DATABASE_URL);
  if (ran.length > 0) logger.info({ migrations: ran }, 'database migrated');
  const onError = (error: Error): void => {
    logger.warn({ err: error }, 'an idle database connection was lost');
  };
  const pools = await openPools({
    url: config.DATABASE_URL,
    size: config.DATABASE_POOL_SIZE,
    onError,
    ...(config.DATABASE_READ_URL === undefined ? {} : { readUrl: config.DATABASE_READ_URL }),
  });
  await requireSchema(pools.write);
  if (!pools.restricted) logger.warn({}, 'the database user may not take the service role: row-level security does not bind this process');
  const lists = new Lists({
    url: config.DATABASE_READ_URL ?? config.DATABASE_URL,
    connections: Math.max(2, Math.round(config.DATABASE_POOL_SIZE * 0.3)),
    restricted: pools.restricted,
    onError,
  });
  return { pools, lists };
}

interface RelayParts extends Surroundings {
  readonly config: StateConfig;
  readonly pools: Pools;
  readonly store: PostgresEventStore;
  readonly openWork: OpenWork;
  readonly send: (envelope: CommandEnvelope) => Promise<unknown>;
  readonly admission: AdmissionReactor;
  readonly children: ChildrenReactor;
  readonly candidate: LeaderCandidate;
}

/** The relay with its sweeps; woken when the broker is there again. */
function relayOf(parts: RelayParts): RelayWorker {
  const { config, connection, pools, openWork, send } = parts;
  const log = (what: string, fields: Readonly<Record<string, unknown>>): void => {
    parts.logger.info(fields, what);
  };
  const sweeper = new Sweeper({
    ...{ openWork, send },
    children: (due) => parts.children.onDue(due),
    publishes: () => relay.leads,
    republish: (notices) => relay.republish(notices),
  });
  const sweeps = new SweepWorker({
    steps: () => sweeper.steps(),
    workflows: () => sweeper.workflows(),
    admission: () => parts.admission.sweep(),
    log,
  });
  const relay: RelayWorker = new RelayWorker({
    ...{ openWork, sweeps, log, store: parts.store, onRegressed: parts.onRegressed },
    lead: leadOf(parts.candidate, pools),
    epochs: new PostgresEpochStore(pools.write),
    stream: new WorkStream(connection, { ...STREAM_SETTINGS_DEFAULT, replicas: config.NATS_REPLICAS }),
  });
  void onReconnect(connection, () => {
    relay.reconnected();
  });
  return relay;
}

/** One replica leads; it need not be told of its own commits. */
const leadOf =
  (candidate: LeaderCandidate, pools: Pools): RelayWorkerOptions['lead'] =>
  (onCommit) =>
    candidate.tryLead((backend) => {
      if (!pools.isOwnBackend(backend)) onCommit();
    });

async function issueFirstKey(config: StateConfig, handler: CommandHandler, logger: Logger): Promise<void> {
  if (config.BOOTSTRAP_API_KEY_HASH === undefined) return;
  const outcome = await issueBootstrapKey(handler, config.BOOTSTRAP_API_KEY_HASH);
  logger.info({ outcome }, 'first API key asked for');
}
