import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cleanup } from '../performance/cleanup.js';
import { measureFlush, flushCounter, type FlushTimes } from './disk.js';
import { ENGINE_TITLES, type EngineName, type StartEngine } from './engine.js';
import { startDbosHttp, startDbosInProcess } from './engines/dbos.js';
import { startFloor } from './engines/floor.js';
import { startOurs } from './engines/ours.js';
import { startRestate } from './engines/restate.js';
import type { EnginePhases } from './figures.js';
import { measureEngine, phasesOf, warmUpOf } from './measure.js';
import type { PeersOptions } from './options.js';
import { PeerMissing } from './packages.js';

const ENGINES: Readonly<Record<EngineName, StartEngine>> = {
  ours: startOurs,
  restate: startRestate,
  'dbos-http': startDbosHttp,
  dbos: startDbosInProcess,
  floor: startFloor,
};
export const CONCURRENT = 100;

/** A round: every engine once, one after the other, each alone on the machine. */
export interface Round {
  readonly flush: FlushTimes;
  readonly engines: Partial<Readonly<Record<EngineName, EnginePhases>>>;
  /** Why an engine was left out. */
  readonly skipped: Partial<Readonly<Record<EngineName, string>>>;
}

export interface Bench {
  readonly options: PeersOptions;
  readonly cleanup: Cleanup;
  readonly say: (text: string) => void;
}

/** A folder that servers of other users may walk through; removed with everything else. */
export async function scratchFolder(cleanup: Cleanup): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), 'taskmaster-peers-'));
  await chmod(scratch, 0o711);
  cleanup.add(() => rm(scratch, { recursive: true, force: true, maxRetries: 5 }));
  return scratch;
}

export async function measureRound(bench: Bench): Promise<Round> {
  const { options, cleanup, say } = bench;
  const engines: Partial<Record<EngineName, EnginePhases>> = {};
  const skipped: Partial<Record<EngineName, string>> = {};
  for (const name of options.only) {
    try {
      engines[name] = await measureOne(name, bench);
    } catch (error) {
      if (!(error instanceof PeerMissing)) throw error;
      skipped[name] = error.message;
      say(`SKIPPED: ${ENGINE_TITLES[name]}: ${error.message}`);
    } finally {
      await cleanup.run();
    }
  }
  const flush = measureFlush(tmpdir(), options.quick ? 500 : 2_000);
  say(`${'disk'.padEnd(10)} flush of 8 kB: p50 ${flush.p50.toFixed(0)} µs, p99 ${flush.p99.toFixed(0)} µs`);
  return { flush, engines, skipped };
}

async function measureOne(name: EngineName, { options, cleanup, say }: Bench): Promise<EnginePhases> {
  const scratch = await scratchFolder(cleanup);
  const engine = await ENGINES[name]({ cleanup, scratch, concurrent: CONCURRENT, say });
  const phases = await measureEngine(engine, phasesOf(options), warmUpOf(options), flushCounter(scratch));
  for (const [phase, f] of Object.entries(phases)) {
    const failed = f.failed === 0 ? '' : `  ${String(f.failed)} FAILED`;
    say(
      `${name.padEnd(10)} ${phase.padEnd(14)} ${f.perSecond.toFixed(1).padStart(8)}/s  p50 ${f.p50.toFixed(1).padStart(7)}  p95 ${f.p95.toFixed(1).padStart(7)}  p99 ${f.p99.toFixed(1).padStart(7)} ms` +
        `  CPU ${f.cpuMs.toFixed(2).padStart(6)} ms  flushes ${(f.deviceFlushes ?? Number.NaN).toFixed(2).padStart(6)}  PSS ${f.peakPssMiB.toFixed(0).padStart(4)} MiB${failed}`,
    );
  }
  return phases;
}
