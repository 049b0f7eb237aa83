import { setTimeout as pause } from 'node:timers/promises';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, type Recorder } from '@taskmaster/client';
import type { WorkflowView } from '@taskmaster/contracts';
import type { ClientRecord } from '@taskmaster/proof';
import { eventually, seededRandom, type TestRepository } from '@taskmaster/testing';
import { httpClient, type HttpClient } from '../platform/http-client.js';
import { unlessEnded } from '../platform/interruption.js';
import type { PlatformUnderTest } from '../platform/platform-under-test.js';
import { Crowd, type Accepted } from './crowd.js';
import { FaultInjector } from './fault-injector.js';
import { Follower } from './follower.js';
import { judge } from './judge.js';
import { FAULT_KINDS, scheduleOf, type FaultKind } from './schedule.js';
import { openVenue, type Venue } from './venue.js';

export interface TortureOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Do only these. */
  readonly kinds?: readonly FaultKind[];
  /** Whether to keep the data of a run that found nothing, too. */
  readonly keep?: boolean;
  /** Servers of the broker; more than one make a cluster, which keeps as many copies. Default: the one that the platform brings along. */
  readonly nodes?: number;
  /** Whether state-service and agent-coordinator are one process, as `task-master up` runs them. */
  readonly together?: boolean;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** What a run did and found. */
export interface TortureReport {
  readonly seed: number;
  readonly seconds: number;
  readonly together: boolean;
  /** What ran below: the server and its version, and how many nodes it had. */
  readonly broker: string;
  readonly database: string;
  /** What was done to the platform, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** What its clients did beside handing in. */
  readonly clients: Readonly<Record<string, number>>;
  readonly accepted: number;
  /** How the workflows ended, by shape and outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly unfinished: number;
  readonly violations: readonly string[];
  readonly longestAcceptMs: number;
  /** From the end of the faults to the end of the last workflow. */
  readonly drainMs: number;
  readonly events: number;
  /** Answers and live events that were compared with the log. */
  readonly records: number;
}

const PEOPLE = 4;
const WHOLE_MS_MAX = 120_000;
const DRAIN_MS_MAX = 300_000;
const PROGRESS_MS = 3_000;
const LOOK_MS = 250;
const ANSWER_MS_MAX = 5_000;

/** Runs a busy platform of two processes each through a seed's faults, heals it, waits until everything has ended, and judges. */
export async function tortureRun(options: TortureOptions): Promise<TortureReport> {
  const begin = performance.now();
  const say = (text: string): void => {
    options.say(`${((performance.now() - begin) / 1000).toFixed(1).padStart(6)} s  ${text}`);
  };
  const venue = await openVenue({ nodes: options.nodes ?? 1, together: options.together ?? false, signal: options.signal, say });
  const run = new TortureRun(venue, { ...options, say });
  let isClean = false;
  try {
    const report = await unlessEnded(run.go(), venue.platform, options.signal);
    isClean = report.violations.length === 0 && report.unfinished === 0 && options.keep !== true;
    return report;
  } finally {
    await run.close();
    await venue.close(isClean);
  }
}

class TortureRun {
  private readonly records: ClientRecord[] = [];
  private readonly record: Recorder = (record) => this.records.push(record);
  private readonly gateways: readonly HttpClient[];
  private readonly followers: readonly Follower[];
  private readonly injector: FaultInjector;
  private isClosed = false;

  private readonly platform: PlatformUnderTest;
  private readonly repositories: readonly TestRepository[];

  constructor(
    { platform, repositories, nodes }: Venue,
    private readonly options: TortureOptions,
  ) {
    this.platform = platform;
    this.repositories = repositories;
    this.gateways = platform.addresses.map((address) => httpClient(address, platform.apiKey));
    this.followers = platform.addresses.map((baseUrl) => new Follower(createClient({ baseUrl, apiKey: platform.apiKey }), this.record));
    this.injector = new FaultInjector(platform, nodes, seededRandom(options.seed + 1), options.say);
  }

  async go(): Promise<TortureReport> {
    const { seed, seconds, say } = this.options;
    const crowd = new Crowd({ seed, people: PEOPLE, repositories: this.repositories, gateways: this.gateways, record: this.record });
    await this.inflictAll();
    say(`${String(seconds)} s of faults are over: ${JSON.stringify(this.injector.counts)}; healing`);
    this.injector.heal();
    const healed = performance.now();
    await crowd.leave();
    await this.untilWhole();
    say(
      `everything runs again; ${String(crowd.accepted.length)} workflows were accepted, after ${crowd.longestAcceptMs.toFixed(0)} ms at most`,
    );
    const views = await this.drain(crowd.accepted);
    const drainMs = performance.now() - healed;
    say(`drained after ${(drainMs / 1000).toFixed(1)} s; judging`);
    await crowd.askAgain();
    const { head, broker, database, violations } = await judge({
      platform: this.platform,
      gateway: this.gateways[0] as HttpClient,
      followers: this.followers,
      records: this.records,
      accepted: crowd.accepted,
      views,
      repositories: this.repositories,
    });
    await writeFile(
      join(this.platform.data, 'client-records.ndjson'),
      this.records.map((record) => `${JSON.stringify(record)}\n`).join(''),
    );
    const open = crowd.accepted.filter(({ id }) => views.get(id)?.outcome === undefined);
    return {
      seed,
      seconds,
      together: this.options.together ?? false,
      broker,
      database,
      faults: this.injector.counts,
      clients: crowd.counts,
      accepted: crowd.accepted.length,
      outcomes: outcomesOf(crowd.accepted, views),
      unfinished: open.length,
      violations: [...open.map((workflow) => `${describe(workflow)} never ended: ${statusOf(views.get(workflow.id))}`), ...violations],
      longestAcceptMs: Math.round(crowd.longestAcceptMs),
      drainMs: Math.round(drainMs),
      events: head,
      records: this.records.length,
    };
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const follower of this.followers) follower.stop();
    await this.injector.close();
    for (const gateway of this.gateways) gateway.close();
  }

  /** Each fault at its time, whether or not the one before it has done its work. */
  private async inflictAll(): Promise<void> {
    const { seed, seconds, kinds = FAULT_KINDS, together = false, say } = this.options;
    const begin = performance.now();
    const until = (ms: number): Promise<unknown> => pause(Math.max(0, ms - (performance.now() - begin)));
    const under: Promise<void>[] = [];
    for (const entry of scheduleOf(seed, seconds, { kinds, together })) {
      await until(entry.atMs);
      if (this.isClosed) return;
      under.push(
        this.injector.do(entry).catch((error: unknown) => {
          say(`${entry.kind} could not be done: ${(error as Error).message}`);
        }),
      );
    }
    await until(seconds * 1_000);
    this.injector.heal();
    await Promise.all(under);
  }

  private async untilWhole(): Promise<void> {
    const isUp = async (gateway: HttpClient): Promise<boolean> => {
      const { body } = await gateway.call('GET', '/api/health', { timeoutMs: ANSWER_MS_MAX });
      return (body as { readonly status?: string }).status === 'up';
    };
    const areUp = async (): Promise<boolean> => (await Promise.all(this.gateways.map(isUp))).every(Boolean);
    await eventually(areUp, { deadlineMs: WHOLE_MS_MAX, what: 'a whole platform' });
  }

  /** Waits until every workflow has ended; gives what was last seen of each. */
  private async drain(accepted: readonly Accepted[]): Promise<ReadonlyMap<string, WorkflowView>> {
    const views = new Map<string, WorkflowView>();
    const end = performance.now() + DRAIN_MS_MAX;
    let told = performance.now();
    for (let open = accepted; open.length > 0 && performance.now() < end && !this.isClosed;) {
      for (const { id } of open) await this.look(id, views);
      open = open.filter(({ id }) => views.get(id)?.outcome === undefined);
      if (performance.now() - told > PROGRESS_MS) {
        told = performance.now();
        this.options.say(`${String(open.length)} of ${String(accepted.length)} workflows are open: ${summary(open, views)}`);
      }
      if (open.length > 0) await pause(LOOK_MS);
    }
    return views;
  }

  /** A workflow that waits for a person is given up. */
  private async look(id: string, views: Map<string, WorkflowView>): Promise<void> {
    const gateway = this.gateways[views.size % this.gateways.length] as HttpClient;
    const { status, body } = await gateway
      .call('GET', `/api/workflows/${id}`, { timeoutMs: ANSWER_MS_MAX })
      .catch(() => ({ status: 0, body: undefined }));
    if (status !== 200) return;
    const view = body as WorkflowView;
    views.set(id, view);
    if (view.escalation === undefined || view.outcome !== undefined) return;
    const decision = { decision: 'fail', escalationId: view.escalation.escalationId };
    await gateway.call('PUT', `/api/workflows/${id}/escalation`, { body: decision, timeoutMs: ANSWER_MS_MAX }).catch(() => undefined);
  }
}

const describe = ({ shape, id }: Accepted): string => `${shape} ${id}`;
const statusOf = (view: WorkflowView | undefined): string =>
  view === undefined ? 'never seen' : `${view.status} in state ${view.state}${view.reason === undefined ? '' : `, ${view.reason}`}`;

/** Counts by what the function says of each. */
function tally<T>(things: readonly T[], nameOf: (thing: T) => string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of things.map(nameOf).sort()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

const outcomesOf = (accepted: readonly Accepted[], views: ReadonlyMap<string, WorkflowView>): Readonly<Record<string, number>> =>
  tally(accepted, ({ id, shape }) => `${shape} ${views.get(id)?.outcome ?? 'open'}`);

const summary = (open: readonly Accepted[], views: ReadonlyMap<string, WorkflowView>): string =>
  JSON.stringify(tally(open, ({ id, shape }) => `${shape} ${views.get(id)?.status ?? 'unseen'}`));
