import { cpSync, existsSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CONSUMERS, WORK_STREAM_PATTERN } from '@taskmaster/contracts';
import { connectBroker } from '@taskmaster/messaging';
import { isSameProcess, signalProcess } from '@taskmaster/provision';
import { eventually, type SeededRandom } from '@taskmaster/testing';
import pg from 'pg';
import type { PlatformUnderTest, PlatformProcess } from '../platform/platform-under-test.js';
import { leaderOf, type BrokerNode } from './broker-nodes.js';
import type { Entry, Fault } from './schedule.js';

/** A copy of one node's disk. */
interface Copy {
  readonly node: BrokerNode;
  readonly place: string;
}

type Broker = Awaited<ReturnType<typeof connectBroker>>;

const COPIES_MAX = 5;
/** A process that is just being started again is waited for; the fault is left out when it takes longer. */
const THERE_MS_MAX = 5_000;
const FORGET_MS_MAX = 1_000;
const NODE_MS_MAX = 1_000;
const LEADERS = "select pid, application_name as name from pg_stat_activity where application_name like 'taskmaster leader %'";
const END_SESSIONS = 'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1';

/** Does to a platform what a schedule says, and undoes what can be undone. */
export class FaultInjector {
  /** How often each kind was done; what could not be done is not counted. */
  readonly counts: Record<string, number> = {};
  private readonly asleep = new Map<number, NodeJS.Timeout>();
  private readonly cut = new Map<string, { readonly timer: NodeJS.Timeout; readonly mend: () => void }>();
  private copies: Copy[] = [];
  private copied = 0;
  private broker: Promise<Broker> | undefined;
  private isOver = false;

  constructor(
    private readonly platform: PlatformUnderTest,
    private readonly nodes: readonly BrokerNode[],
    private readonly random: SeededRandom,
    private readonly say: (text: string) => void,
  ) {}

  async do(entry: Entry): Promise<void> {
    if (this.isOver) return;
    if (entry.kind === 'copy') {
      await this.copy();
      return;
    }
    if (await this.inflict(entry)) this.counts[entry.kind] = (this.counts[entry.kind] ?? 0) + 1;
  }

  /** Wakes what sleeps and connects what is cut off; nothing more is done from here on. */
  heal(): void {
    this.isOver = true;
    for (const [pid, timer] of this.asleep) {
      clearTimeout(timer);
      signalProcess(pid, 'SIGCONT');
    }
    this.asleep.clear();
    for (const { timer, mend } of this.cut.values()) {
      clearTimeout(timer);
      mend();
    }
    this.cut.clear();
  }

  async close(): Promise<void> {
    this.heal();
    await (await this.broker)?.close();
  }

  /** @returns whether it was done */
  private async inflict(fault: Fault): Promise<boolean> {
    switch (fault.kind) {
      case 'kill':
        return this.kill(fault.target);
      case 'pause':
        return this.pause(fault.target, fault.forMs);
      case 'pause-leader':
        return this.pauseLeader(fault.forMs, fault.losesLock);
      case 'postgres-stop':
        // To the postmaster this is "immediate": it ends without a checkpoint, and recovers when it starts.
        return this.kill('Postgres', 'SIGQUIT');
      case 'nats-kill':
        return this.killNode();
      case 'nats-wipe':
        return this.exchangeDisk(await this.node(), undefined);
      case 'nats-partition':
        return this.cutOff(await this.node(), fault.forMs);
      case 'nats-rollback':
        return this.rollBack(fault.copiesAgo);
      case 'forget':
        return this.forget(fault.messages, fault.acknowledges);
    }
  }

  private async running(name: string): Promise<PlatformProcess | undefined> {
    const find = (): PlatformProcess | undefined => this.platform.processes().find((process) => process.name === name);
    return eventually(find, { deadlineMs: THERE_MS_MAX, what: `a running ${name}` }).catch(() => undefined);
  }

  private async runningNode(node: BrokerNode): Promise<PlatformProcess | undefined> {
    return eventually(() => node.process(), { deadlineMs: THERE_MS_MAX, what: `a running ${node.name}` }).catch(() => undefined);
  }

  /** The node that leads the work stream, mostly: losing another one matters less. */
  private async node(): Promise<BrokerNode> {
    if (this.nodes.length > 1 && this.random.chance(0.7)) {
      const leader = await leaderOf(await this.connect(), NODE_MS_MAX).catch(() => undefined);
      const found = this.nodes.find(({ name }) => name === leader);
      if (found !== undefined) return found;
    }
    return this.random.pick(this.nodes);
  }

  private async killNode(): Promise<boolean> {
    return this.signal(await this.runningNode(await this.node()), 'SIGKILL');
  }

  private async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<boolean> {
    return this.signal(await this.running(name), signal);
  }

  private signal(process: PlatformProcess | undefined, signal: NodeJS.Signals): boolean {
    if (process === undefined || this.isOver) return false;
    this.say(`${signal} to ${process.name}`);
    signalProcess(process.pid, signal);
    return true;
  }

  private async pause(name: string, forMs: number): Promise<boolean> {
    return this.sleep(name === 'NATS' ? await this.runningNode(await this.node()) : await this.running(name), forMs);
  }

  private sleep(process: PlatformProcess | undefined, forMs: number): boolean {
    if (process === undefined || this.isOver || this.asleep.has(process.pid)) return false;
    this.say(`${process.name} sleeps for ${String(forMs)} ms`);
    signalProcess(process.pid, 'SIGSTOP');
    const wake = async (): Promise<void> => {
      this.asleep.delete(process.pid);
      if (await isSameProcess(process)) signalProcess(process.pid, 'SIGCONT');
    };
    this.asleep.set(
      process.pid,
      setTimeout(() => void wake(), forMs),
    );
    return true;
  }

  private cutOff(node: BrokerNode, forMs: number): boolean {
    if (node.cutOff === undefined || this.isOver || this.cut.has(node.name)) return false;
    this.say(`${node.name} is cut off from the others for ${String(forMs)} ms`);
    const mend = node.cutOff();
    const timer = setTimeout(() => {
      this.cut.delete(node.name);
      mend();
    }, forMs);
    this.cut.set(node.name, { timer, mend });
    return true;
  }

  /** The database session that holds the leader's lock names its process. */
  private async pauseLeader(forMs: number, losesLock: boolean): Promise<boolean> {
    const leader = await this.ask<{ readonly name: string }>(LEADERS);
    const session = leader[0]?.name;
    const process = this.platform.processes().find(({ pid }) => session === `taskmaster leader ${String(pid)}`);
    if (session === undefined || process === undefined || !(await this.pause(process.name, forMs))) return false;
    if (losesLock) await this.ask(END_SESSIONS, [session]);
    return true;
  }

  private async ask<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const client = new pg.Client({ connectionString: this.platform.databaseUrl, connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return (await client.query<Row>(text, [...values])).rows;
    } catch {
      // Postgres is being started again.
      return [];
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** Copies a node's disk while the node holds still. */
  private async copy(): Promise<void> {
    const node = await this.node();
    const process = await this.runningNode(node);
    if (process === undefined || this.isOver || this.asleep.has(process.pid) || !existsSync(node.store)) return;
    const place = join(this.platform.data, `${node.name}-copy-${String((this.copied += 1))}`);
    signalProcess(process.pid, 'SIGSTOP');
    try {
      cpSync(node.store, place, { recursive: true });
    } finally {
      if (await isSameProcess(process)) signalProcess(process.pid, 'SIGCONT');
    }
    this.copies.push({ node, place });
    for (const old of this.copies.splice(0, Math.max(0, this.copies.length - COPIES_MAX)))
      rmSync(old.place, { recursive: true, force: true });
  }

  private async rollBack(copiesAgo: number): Promise<boolean> {
    const copy = this.copies.at(-Math.min(copiesAgo, this.copies.length));
    return copy === undefined ? false : this.exchangeDisk(copy.node, copy.place);
  }

  /** Kills a node and gives it another disk before it is started again. */
  private async exchangeDisk(node: BrokerNode, copy: string | undefined): Promise<boolean> {
    const process = await this.runningNode(node);
    if (process === undefined || this.isOver) return false;
    const fresh = join(this.platform.data, `${node.name}-next`);
    rmSync(fresh, { recursive: true, force: true });
    if (copy !== undefined) cpSync(copy, fresh, { recursive: true });
    this.say(copy === undefined ? `${node.name} loses its disk` : `${node.name} goes back to ${basename(copy)}`);
    // While it holds still its disk is exchanged; whatever it writes from here on, it writes to the one that is gone.
    signalProcess(process.pid, 'SIGSTOP');
    const gone = join(this.platform.data, `${node.name}-gone-${String(performance.now())}`);
    if (existsSync(node.store)) renameSync(node.store, gone);
    if (copy !== undefined) renameSync(fresh, node.store);
    signalProcess(process.pid, 'SIGKILL');
    rmSync(gone, { recursive: true, force: true });
    return true;
  }

  private connect(): Promise<Broker> {
    return (this.broker ??= connectBroker({ url: this.platform.natsUrl, name: 'forgetful worker' }));
  }

  /** Takes messages as a worker does and either says nothing about them or says that they are done. */
  private async forget(messages: number, acknowledges: boolean): Promise<boolean> {
    const broker = await this.connect();
    let taken = 0;
    try {
      const manager = await broker.jetstreamManager({ checkAPI: false, timeout: FORGET_MS_MAX });
      const streams = (await manager.streams.names().next()).filter((name) => WORK_STREAM_PATTERN.test(name));
      const consumer = await broker
        .jetstream({ timeout: FORGET_MS_MAX })
        .consumers.get(streams.at(-1) ?? '', this.random.pick(CONSUMERS).name);
      for await (const message of await consumer.fetch({ max_messages: messages, expires: FORGET_MS_MAX })) {
        taken += 1;
        if (acknowledges) message.ack();
      }
    } catch {
      // The broker or its stream is just not there.
    }
    if (taken > 0) this.say(`a worker forgot ${String(taken)} messages${acknowledges ? ' and said that they are done' : ''}`);
    return taken > 0;
  }
}
