import type { KindGroup } from './plan.js';
import type { QueryType } from './queries.js';

/** Every subject, stream and consumer name of the product is built here. */
export const SUBJECT_COMMANDS = 'tm.cmd';
export const SUBJECT_FEED = 'tm.feed';
/** Workflows that have just ended, as a JSON list of `EndedWorkflow`: for those who wait for an end and nothing else. As lossy as the feed. */
export const SUBJECT_FEED_ENDED = 'tm.feed.ended';
/** Said again and again by whoever follows the feed: without anybody who wants it, it is not told. */
export const SUBJECT_FEED_WANTED = 'tm.feed-wanted';
export const SUBJECT_WORK_ALL = 'tm.work.>';

export const subjectOfWork = (group: KindGroup): string => `tm.work.${group}`;
export const subjectOfQuery = (query: QueryType): string => `tm.qry.${query}`;
export const subjectOfDeadLetter = (consumer: string): string => `tm.dlq.${consumer}`;

/** The JetStream stream of an epoch (design 6). */
export const workStreamOf = (epoch: number): string => `TM_WORK_${String(epoch)}`;
export const WORK_STREAM_PATTERN = /^TM_WORK_(\d+)$/;

/**
 * Durable consumers, `<service>_<purpose>`; one filter each. Each has a reader: what a consumer has not answered is never purged, so one
 * that nobody reads would let the stream grow to its limit.
 */
export const CONSUMERS = [
  { name: 'nlp-service_interpret', group: 'requirements' },
  { name: 'agent-coordinator_assign', group: 'agent' },
  { name: 'agent-coordinator_command', group: 'command' },
  { name: 'agent-coordinator_change', group: 'change' },
] as const satisfies readonly { readonly name: string; readonly group: KindGroup }[];
export type ConsumerName = (typeof CONSUMERS)[number]['name'];

export const QUEUE_GROUP_STATE = 'state-service';

export const HEADER_EPOCH = 'Tm-Epoch';
export const HEADER_AFTER = 'Tm-After';
export const HEADER_UPTO = 'Tm-Upto';
/** Names the event at that position, so that another one in its place is noticed. */
export const HEADER_UPTO_EVENT = 'Tm-Upto-Event';

/** What one user of the broker may publish and subscribe to; anything else is refused by the server. */
export interface BrokerRights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Replies to a service come back under this, so that no other service can read them. */
export const inboxPrefixOf = (service: string): string => `_INBOX.${service.replace(/[^\w-]/g, '-')}`;

const ASK = [SUBJECT_COMMANDS, 'tm.qry.*'];
const inboxOf = (service: string): string => `${inboxPrefixOf(service)}.>`;

/** A reactor asks, finds the stream, and pulls from and answers its own consumers. */
function reactorRights(service: string): BrokerRights {
  const consumers = CONSUMERS.map(({ name }) => name).filter((name) => name.startsWith(`${service}_`));
  const ofConsumer = (name: string): readonly string[] => [
    `$JS.API.CONSUMER.INFO.*.${name}`,
    `$JS.API.CONSUMER.MSG.NEXT.*.${name}`,
    // Newer servers put a domain and an account before the stream.
    `$JS.ACK.*.${name}.>`,
    `$JS.ACK.*.*.*.${name}.>`,
    subjectOfDeadLetter(name),
  ];
  return { publish: [...ASK, '$JS.API.STREAM.NAMES', ...consumers.flatMap(ofConsumer)], subscribe: [inboxOf(service)] };
}

/** Each service is a user of its own and may do what it is for. */
export const BROKER_RIGHTS = {
  'state-service': {
    publish: ['tm.work.*', SUBJECT_FEED, `${SUBJECT_FEED}.>`, '$JS.API.>', '_INBOX.>'],
    subscribe: [SUBJECT_COMMANDS, 'tm.qry.*', SUBJECT_FEED_WANTED, inboxOf('state-service')],
  },
  'nlp-service': reactorRights('nlp-service'),
  'agent-coordinator': reactorRights('agent-coordinator'),
  gateway: {
    // Its health check looks whether anybody pulls from the consumers.
    publish: [...ASK, SUBJECT_FEED_WANTED, '$JS.API.INFO', '$JS.API.CONSUMER.INFO.*.*'],
    subscribe: [SUBJECT_FEED, `${SUBJECT_FEED}.>`, inboxOf('gateway')],
  },
} as const satisfies Readonly<Record<string, BrokerRights>>;
