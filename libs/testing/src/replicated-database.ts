import { execFile } from 'node:child_process';
import { appendFile, copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isSameProcess, removePostgres, signalProcess, startPostgres, type PostgresServer } from '@taskmaster/provision';
import { openAddress, type Address } from './address.js';
import { withClient } from './database.js';
import { eventually } from './eventually.js';
import { CLUSTERS, runSubdirectory } from './run.js';

const run = promisify(execFile);

export interface ReplicatedDatabase {
  /** An empty database at the one address that clients know: that of the primary, and from `failOver` on that of the standby. */
  readonly url: string;
  /** Where the standby itself is; until it is promoted it can only be read from. */
  readonly standbyUrl: string;
  /** Waits until the standby shows everything that is committed. */
  caughtUp(): Promise<void>;
  /** From now on the standby hears nothing of the primary. */
  cutOff(): void;
  /** Kill -9 of every process of the primary, as when its machine is gone; `silently`: nothing tells its clients so, their connections stay. */
  killPrimary(how?: { readonly silently: boolean }): Promise<void>;
  /** Moves the address to the standby, and makes that the primary. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A Postgres and a standby that streams from it. With `synchronous` a commit is answered when it is on the disks of both, without when it
 * is on that of the primary.
 */
export async function replicatedDatabase({ synchronous }: { readonly synchronous: boolean }): Promise<ReplicatedDatabase> {
  const [home, standbyHome] = [await runSubdirectory(CLUSTERS), await runSubdirectory(CLUSTERS)];
  const addresses: Address[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(addresses.map((address) => address.close()));
    await Promise.all([home, standbyHome].map(removePostgres));
  };
  try {
    await initialise(home, standbyHome);
    const primary = await startPostgres({ directory: home });
    const [address, link] = [await openAddress(primary.port), await openAddress(primary.port)];
    addresses.push(address, link);
    await follow(standbyHome, at(primary.url, link.port));
    const standby = await startPostgres({ directory: standbyHome });
    await streaming(primary, { synchronous });
    return {
      url: at(primary.url, address.port),
      standbyUrl: standby.url,
      caughtUp: () => caughtUp(primary),
      cutOff: () => link.cut(),
      killPrimary: ({ silently } = { silently: false }) => {
        if (silently) address.silence();
        return killAll(primary);
      },
      failOver: async () => {
        address.leadTo(standby.port);
        await withClient(standby.url, (client) => client.query('select pg_promote()'));
      },
      stop: async () => {
        // What a killed server leaves in the memory of the machine goes when it starts again.
        await startPostgres({ directory: home }).finally(stop);
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Two clusters with one history: the second is a copy of the first one at rest. */
async function initialise(home: string, standbyHome: string): Promise<void> {
  const first = await startPostgres({ directory: home });
  await first.stop();
  await copyFile(join(home, 'password'), join(standbyHome, 'password'));
  // It keeps the owner, who is another user when we are root.
  await run('cp', ['-a', first.data, join(standbyHome, 'cluster')]);
}

/** In files: what is on a command line can be read by everybody. */
async function follow(standbyHome: string, primaryUrl: string): Promise<void> {
  const data = join(standbyHome, 'cluster');
  await appendFile(join(data, 'postgresql.auto.conf'), `primary_conninfo = '${primaryUrl}'\n`);
  await writeFile(join(data, 'standby.signal'), '');
}

function at(url: string, port: number): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
}

/** Waits until the standby streams; only then can commits wait for it. */
async function streaming({ url }: PostgresServer, { synchronous }: { readonly synchronous: boolean }): Promise<void> {
  await withClient(url, async (client) => {
    const isSo = (what: string): Promise<unknown> =>
      eventually(async () => (await client.query(`select 1 from pg_stat_replication where ${what}`)).rowCount === 1, {
        what,
        deadlineMs: 20_000,
      });
    await isSo("state = 'streaming'");
    if (!synchronous) return;
    await client.query("alter system set synchronous_standby_names = '*'");
    await client.query('select pg_reload_conf()');
    await isSo("sync_state = 'sync'");
  });
}

async function caughtUp({ url }: PostgresServer): Promise<void> {
  await withClient(url, async (client) => {
    const { rows } = await client.query<{ lsn: string }>('select pg_current_wal_insert_lsn() as lsn');
    await eventually(
      async () => (await client.query('select 1 from pg_stat_replication where replay_lsn >= $1', [rows[0]?.lsn])).rowCount === 1,
      { what: 'the standby', deadlineMs: 20_000 },
    );
  });
}

async function killAll({ url, process }: PostgresServer): Promise<void> {
  await withClient(url, async (client) => {
    const { rows } = await client.query<{ pid: number }>('select pid from pg_stat_activity');
    // The first one alone would leave sessions that finish what they do.
    for (const pid of [process.pid, ...rows.map((row) => row.pid)]) signalProcess(pid, 'SIGKILL');
  });
  await eventually(async () => !(await isSameProcess(process)), { what: 'the end of Postgres' });
}
