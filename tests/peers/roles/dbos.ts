import { loadPeer } from '../packages.js';
import type { RunWork } from './role.js';
import { runShape } from './shapes.js';
import type { Shape } from '../../performance/plan-shapes.js';

// Its driver warns about its own use of itself.
process.removeAllListeners('warning');

interface Dbos {
  setConfig(config: Readonly<Record<string, unknown>>): void;
  launch(): Promise<void>;
  runStep(action: () => Promise<string>, options: { readonly name: string }): Promise<string>;
  registerWorkflow<A extends unknown[], R>(
    body: (...given: A) => Promise<R>,
    options: { readonly name: string },
  ): (...given: A) => Promise<R>;
  startWorkflow<A extends unknown[], R>(
    workflow: (...given: A) => Promise<R>,
    options: { readonly workflowID?: string },
  ): (...given: A) => Promise<{ getResult(): Promise<R> }>;
}

export interface DbosInput {
  readonly home: string;
  readonly databaseUrl: string;
}

const POOL = 20;

/** Starts DBOS in this process: workflows and steps run here, and every step's result is one commit. */
export async function launchDbos({ home, databaseUrl }: DbosInput): Promise<RunWork> {
  const { DBOS } = loadPeer<{ readonly DBOS: Dbos }>(home, '@dbos-inc/dbos-sdk');
  DBOS.setConfig({ name: 'peers', systemDatabaseUrl: databaseUrl, systemDatabasePoolSize: POOL, logLevel: 'error', runAdminServer: false });
  const body = async (steps: number, shape: Shape): Promise<number> => {
    await runShape({ steps, shape }, (name) => DBOS.runStep(() => Promise.resolve(name), { name }));
    return steps;
  };
  const workflow = DBOS.registerWorkflow(body, { name: 'work' });
  await DBOS.launch();
  return async ({ steps, shape }) => {
    const handle = await DBOS.startWorkflow(workflow, {})(steps, shape);
    return handle.getResult();
  };
}
