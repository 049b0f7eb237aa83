import type { ResultHeader } from '../performance/result-header.js';
import type { StartFigures } from './cold-start.js';
import type { FlushTimes } from './disk.js';
import type { EngineName } from './engine.js';
import { median, medianPhases, type EnginePhases } from './figures.js';
import type { Round } from './rates.js';
import type { RecoveryFigures } from './recovery.js';

/** `rates.json`: what a workflow costs. Figures are medians over the rounds of one run. */
export interface RatesResult extends ResultHeader {
  readonly rounds: readonly Round[];
  readonly flush: FlushTimes;
  readonly engines: Partial<Readonly<Record<EngineName, EnginePhases>>>;
}

/** `recovery.json`: what becomes of workflows in flight when a process is killed. */
export interface RecoveryResult extends ResultHeader {
  readonly rounds: readonly (readonly RecoveryFigures[])[];
  readonly kills: readonly RecoveryFigures[];
}

/** `start.json`: how long services take to be ready. */
export interface StartResult extends ResultHeader {
  readonly rounds: readonly StartFigures[];
  readonly start: StartFigures;
}

export interface Results {
  readonly rates?: RatesResult;
  readonly recovery?: RecoveryResult;
  readonly start?: StartResult;
}

export function ratesOf(header: ResultHeader, rounds: readonly Round[]): RatesResult {
  const names = [...new Set(rounds.flatMap(({ engines }) => Object.keys(engines) as EngineName[]))];
  const measured = (name: EngineName): readonly EnginePhases[] =>
    rounds.map(({ engines }) => engines[name]).filter((phases) => phases !== undefined);
  return {
    ...header,
    flush: {
      samples: rounds.reduce((total, { flush }) => total + flush.samples, 0),
      p50: median(rounds.map(({ flush }) => flush.p50)),
      p99: median(rounds.map(({ flush }) => flush.p99)),
    },
    engines: Object.fromEntries(names.map((name) => [name, medianPhases(measured(name))])),
    rounds,
  };
}

export function recoveryOf(header: ResultHeader, rounds: readonly (readonly RecoveryFigures[])[]): RecoveryResult {
  const kinds = new Map(rounds.flat().map((figures) => [`${figures.engine} ${figures.killed}`, figures]));
  const kills = [...kinds.values()].map(({ engine, killed }) =>
    medianKill(rounds.flat().filter((figures) => figures.engine === engine && figures.killed === killed)),
  );
  return { ...header, kills, rounds };
}

/** Times are medians; what was lost or doubled is added up. */
function medianKill(kills: readonly RecoveryFigures[]): RecoveryFigures {
  const [first] = kills;
  if (first === undefined) throw new Error('a median needs a value');
  const answered = kills.map(({ answeredMs }) => answeredMs).filter((ms) => ms !== null);
  const total = (of: (figures: RecoveryFigures) => number): number => kills.reduce((sum, figures) => sum + of(figures), 0);
  return {
    engine: first.engine,
    killed: first.killed,
    inFlight: median(kills.map(({ inFlight }) => inFlight)),
    doneMs: median(kills.map(({ doneMs }) => doneMs)),
    answeredMs: answered.length < kills.length ? null : median(answered),
    lostCalls: median(kills.map(({ lostCalls }) => lostCalls)),
    lost: total(({ lost }) => lost),
    doubled: kills.some(({ doubled }) => doubled === null) ? null : total(({ doubled }) => doubled ?? 0),
  };
}

export function startOf(header: ResultHeader, rounds: readonly StartFigures[]): StartResult {
  const names = [...new Set(rounds.flatMap(({ services }) => Object.keys(services)))];
  const each = (of: (figures: StartFigures) => Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
    Object.fromEntries(names.map((name) => [name, median(rounds.map((round) => of(round)[name] ?? Number.NaN))]));
  const start: StartFigures = {
    emptyNestMs: median(rounds.map(({ emptyNestMs }) => emptyNestMs)),
    emptyNestPssMiB: median(rounds.map(({ emptyNestPssMiB }) => emptyNestPssMiB)),
    services: each(({ services }) => services),
    servicesPssMiB: each(({ servicesPssMiB }) => servicesPssMiB),
    upMs: median(rounds.map(({ upMs }) => upMs)),
  };
  return { ...header, start, rounds };
}
