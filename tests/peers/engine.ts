import type { Cleanup } from '../performance/cleanup.js';
import type { DriverProcess } from '../performance/driver-process.js';

export const ENGINE_NAMES = ['ours', 'restate', 'dbos-http', 'dbos', 'floor'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export const ENGINE_TITLES: Readonly<Record<EngineName, string>> = {
  ours: 'TaskMaster',
  restate: 'Restate, SDK endpoint and ingress',
  'dbos-http': 'DBOS behind HTTP',
  dbos: 'DBOS in the process of its client',
  floor: 'floor: our hops without a product, coalesced',
};

/** An engine that runs, and the process that drives it. */
export interface RunningEngine {
  readonly driver: DriverProcess;
  /** Every process it consists of, the client included, by what it is called in the tables. */
  roots(): Promise<ReadonlyMap<number, string>>;
  /** The Postgres that it keeps its state in, where it has one. */
  readonly databaseUrl?: string;
}

export interface EngineSetting {
  /** Everything that is started is added here. */
  readonly cleanup: Cleanup;
  /** A folder of its own, removed afterwards. */
  readonly scratch: string;
  /** How many workflows will run at once. */
  readonly concurrent: number;
  readonly say: (text: string) => void;
}

export type StartEngine = (setting: EngineSetting) => Promise<RunningEngine>;
