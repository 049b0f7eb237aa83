import { closeSync, fdatasyncSync, openSync, readFileSync, readlinkSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { quantile } from '../performance/load.js';

/** How long the disk takes to make one write of 8 kB durable; microseconds. */
export interface FlushTimes {
  readonly samples: number;
  readonly p50: number;
  readonly p99: number;
}

const PAGE = Buffer.alloc(8192, 1);

/** Writes and flushes one page after another for that long. */
export function measureFlush(directory: string, ms: number): FlushTimes {
  const path = join(directory, 'flush.tmp');
  const file = openSync(path, 'w');
  const samples: number[] = [];
  const end = performance.now() + ms;
  while (performance.now() < end) {
    const begin = performance.now();
    writeSync(file, PAGE, 0, PAGE.length, 0);
    fdatasyncSync(file);
    samples.push((performance.now() - begin) * 1000);
  }
  closeSync(file);
  rmSync(path);
  const sorted = Float64Array.from(samples).sort();
  return { samples: sorted.length, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

const FLUSHES_FIELD = 15;

/** Counts the cache flushes that reach the disk of a folder, of everybody on this machine; undefined where the system does not tell. */
export function flushCounter(directory: string): (() => number) | undefined {
  const { dev } = statSync(directory);
  // As glibc packs the two halves of a device number.
  const [major, minor] = [(dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00)];
  try {
    const place = join('/sys/dev/block', readlinkSync(`/sys/dev/block/${String(major)}:${String(minor)}`));
    const isPartition = basename(dirname(place)) !== 'block';
    const path = join(isPartition ? dirname(place) : place, 'stat');
    const count = (): number => Number(readFileSync(path, 'utf8').trim().split(/\s+/)[FLUSHES_FIELD]);
    return Number.isFinite(count()) ? count : undefined;
  } catch {
    return undefined;
  }
}
