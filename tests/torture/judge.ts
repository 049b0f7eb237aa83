import { checkRecords, createClient } from '@taskmaster/client';
import { HEADER_AFTER, HEADER_UPTO, WORK_STREAM_PATTERN, type LogReport, type WorkflowView } from '@taskmaster/contracts';
import { connectBroker } from '@taskmaster/messaging';
import type { ClientRecord } from '@taskmaster/proof';
import { eventually, type TestRepository } from '@taskmaster/testing';
import type { HttpClient } from '../platform/http-client.js';
import type { PlatformUnderTest } from '../platform/platform-under-test.js';
import type { Accepted } from './crowd.js';
import type { Follower } from './follower.js';
import { LogChecks } from './log-checks.js';
import { judgeRepository } from './repository-checks.js';

/** A platform that has drained, and what is known of it from outside. */
export interface Case {
  readonly platform: PlatformUnderTest;
  readonly gateway: HttpClient;
  readonly followers: readonly Follower[];
  readonly records: readonly ClientRecord[];
  readonly accepted: readonly Accepted[];
  readonly views: ReadonlyMap<string, WorkflowView>;
  readonly repositories: readonly TestRepository[];
}

/** A workflow that may have a repository to deliver to. */
type Delivery = Pick<Accepted, 'id' | 'repository'>;

const CATCH_UP_MS_MAX = 60_000;
const QUIET_MS_MAX = 60_000;

export interface Verdict {
  /** A sentence for everything that does not hold. */
  readonly violations: readonly string[];
  /** Where the log ended. */
  readonly head: number;
  readonly broker: string;
  readonly database: string;
}

/** Judges what came of a run. */
export async function judge(it: Case): Promise<Verdict> {
  const log = new LogChecks(it.platform.databaseUrl);
  try {
    const head = await log.head();
    const violations = [
      ...(await judgeFeeds(it.followers, head)),
      ...judgeEnds(it),
      ...(await judgeRecords(it, log)),
      ...(await judgeLog(it.gateway, log)),
      ...(await judgeStream(it.platform.natsUrl, log)),
      ...(await judgeMerges(it, log)),
    ];
    return { violations, head: await log.head(), broker: await brokerOf(it.platform.natsUrl), database: await log.database() };
  } finally {
    await log.close();
  }
}

/** Whoever follows has seen everything in the end; what was seen is judged with the records. */
async function judgeFeeds(followers: readonly Follower[], head: number): Promise<readonly string[]> {
  const hasAll = (): boolean => followers.every(({ position }) => position >= head);
  return eventually(hasAll, { deadlineMs: CATCH_UP_MS_MAX, what: `every live feed's arrival at ${String(head)}` }).then(
    () => [],
    (error: unknown) => [
      `${(error as Error).message}: ${followers.map(({ position, fault }) => `${String(position)} ${fault === undefined ? '' : String(fault)}`).join(', ')}`,
    ],
  );
}

const judgeEnds = ({ accepted, views }: Case): readonly string[] =>
  accepted.flatMap(({ id, shape, ends, cancelled }) => {
    const view = views.get(id);
    if (view?.outcome === undefined || ends.includes(view.outcome) || (cancelled && view.outcome === 'cancelled')) return [];
    return [`${shape} ${id} ended ${view.outcome}, not ${ends.join(' or ')}: ${view.reason ?? 'no reason'}`];
  });

/** Invariant 4, judged by the same code as `task-master audit verify --records`; and nothing is in the log that nobody asked for. */
async function judgeRecords({ platform, records, accepted }: Case, log: LogChecks): Promise<readonly string[]> {
  const client = createClient({ baseUrl: platform.address, apiKey: platform.apiKey });
  const { violations } = await checkRecords(client, records);
  const requested = await log.requestedWorkflows();
  const asked = new Set(accepted.map(({ id }) => id));
  const strangers = [...requested].filter((id) => !asked.has(id)).map((id) => `workflow ${id} is in the log and nobody was told so`);
  return [...violations, ...strangers];
}

/** Every invariant that the log, its rows and the broker's evidence show. */
export async function judgeLog(gateway: HttpClient, log: LogChecks): Promise<readonly string[]> {
  const violations = (await log.repeatedAttempts()).map(
    ({ stream, step, attempt, starts, settlements }) =>
      `${stream}: attempt ${String(attempt)} of ${step} was started ${String(starts)} and settled ${String(settlements)} times`,
  );
  const { status, body } = await gateway.call('POST', '/api/audit/verify', { body: {} });
  if (status >= 300) return [...violations, `the invariants could not be checked: ${JSON.stringify(body)}`];
  const { invariants } = body as LogReport;
  if (invariants.length === 0) violations.push('no invariant was checked');
  for (const { number, name, violations: found } of invariants) {
    for (const violation of found) violations.push(`invariant ${String(number)} (${name}): ${violation}`);
  }
  return violations;
}

/** Invariant 11: after quiet the one stream has no hole, ends at the head, and everything in it is answered. */
async function judgeStream(url: string, log: LogChecks): Promise<readonly string[]> {
  const broker = await connectBroker({ url, name: 'judge' });
  try {
    const manager = await broker.jetstreamManager({ checkAPI: false, timeout: 2_000 });
    const look = async (): Promise<string | undefined> => {
      const names = (await manager.streams.names().next()).filter((name) => WORK_STREAM_PATTERN.test(name));
      const [name = ''] = names;
      if (names.length !== 1) return `there are the streams ${names.join(', ')}`;
      const { state } = await manager.streams.info(name);
      if (state.messages !== state.last_seq - state.first_seq + 1) return `${name} has a hole`;
      const last = await manager.streams.getMessage(name, { seq: state.last_seq });
      const [upto, head] = [Number(last.header.get(HEADER_UPTO)), await log.head()];
      if (upto !== head) return `${name} ends at position ${String(upto)}, the log at ${String(head)}`;
      for (const consumer of await manager.consumers.list(name).next()) {
        if (consumer.num_pending + consumer.num_ack_pending > 0) return `${consumer.name} has unanswered messages`;
      }
      return undefined;
    };
    let found: string | undefined = 'nothing was looked at';
    const isRight = async (): Promise<boolean> => (found = await look()) === undefined;
    return await eventually(isRight, { deadlineMs: QUIET_MS_MAX, what: 'a stream that ends at the head' }).then(
      () => judgeChain(manager),
      (error: unknown) => [`invariant 11: ${(error as Error).message}; ${found ?? ''}`],
    );
  } finally {
    await broker.close();
  }
}

type Manager = Awaited<ReturnType<Awaited<ReturnType<typeof connectBroker>>['jetstreamManager']>>;

/** Each message goes on where the one before it ended, from the last purge on: the relay may purge meanwhile. */
async function judgeChain(manager: Manager): Promise<readonly string[]> {
  const [name = ''] = (await manager.streams.names().next()).filter((stream) => WORK_STREAM_PATTERN.test(stream));
  const { state } = await manager.streams.info(name);
  const breaks: string[] = [];
  let before: string | undefined;
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage(name, { seq }).catch(() => undefined);
    if (message === undefined) {
      const { first_seq } = (await manager.streams.info(name)).state;
      if (first_seq <= seq) breaks.push(`invariant 11: message ${String(seq)} of ${name} cannot be read`);
      [seq, before] = [Math.max(seq, first_seq - 1), undefined];
      continue;
    }
    const { header } = message;
    const after = header.get(HEADER_AFTER);
    if (before !== undefined && after !== before)
      breaks.push(`invariant 11: message ${String(seq)} goes on after ${after}, the one before it ended at ${before}`);
    before = header.get(HEADER_UPTO);
  }
  return breaks;
}

async function brokerOf(url: string): Promise<string> {
  const broker = await connectBroker({ url, name: 'judge' });
  const nodes = url.split(',').length;
  const version = broker.info?.version ?? 'of unknown version';
  await broker.close();
  return `nats-server ${version}${nodes === 1 ? '' : `, ${String(nodes)} nodes`}`;
}

/** What was delivered is in the repositories, once, and nothing else is. */
export async function judgeMerges(
  { repositories, accepted, views }: Pick<Case, 'repositories' | 'views'> & { readonly accepted: readonly Delivery[] },
  log: LogChecks,
): Promise<readonly string[]> {
  const found = repositories.map((repository) => {
    const delivered = accepted.flatMap(({ id, repository: target }) => {
      const view = views.get(id);
      return target === repository && view?.outcome === 'completed' ? [{ id, view }] : [];
    });
    return judgeRepository(repository, delivered, log);
  });
  return (await Promise.all(found)).flat();
}
