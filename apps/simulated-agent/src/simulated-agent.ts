import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAgentapiServer } from './agentapi-server.js';
import { NO_SCENARIO, parseScenario, ScenarioBook, type Scenario } from './scenario.js';
import { Session } from './session.js';

export interface SimulatedAgentOptions {
  /** Ports to listen on, one per session; 0 is a free one. */
  readonly ports: readonly number[];
  readonly host: string;
  /** The quiet window that makes `stable`. */
  readonly stableMs: number;
  readonly thinkMs: number;
  /** A scenario file; empty: no faults. */
  readonly scenarioPath: string;
  /** What a crash does. */
  crash(): void;
}

/** The scenario file cannot be used. */
export class ScenarioUnusable extends Error {
  override readonly name = 'ScenarioUnusable';
}

export interface SimulatedAgent {
  readonly ports: readonly number[];
  close(): Promise<void>;
}

/** Reads a scenario file. @throws ScenarioUnusable with the reason */
export async function readScenario(path: string): Promise<Scenario> {
  if (path === '') return NO_SCENARIO;
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new ScenarioUnusable('the scenario file cannot be read as JSON', { cause: error });
  }
  const scenario = parseScenario(value);
  if (!scenario.ok) throw new ScenarioUnusable(`the scenario file is not valid: ${scenario.error}`);
  return scenario.value;
}

/** Opens one agentapi server per port; each is one conversation of its own. */
export async function openSimulatedAgent(options: SimulatedAgentOptions): Promise<SimulatedAgent> {
  const first = await readScenario(options.scenarioPath);
  const uploads = await mkdtemp(join(tmpdir(), 'simulated-agent-'));
  const book = new ScenarioBook();
  const scenario = (): Promise<Scenario> => readScenario(options.scenarioPath);
  const open: { readonly session: Session; readonly server: Server }[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(open.map(({ session, server }) => closeServer(session, server)));
    await rm(uploads, { recursive: true, force: true });
  };
  try {
    for (const port of options.ports) {
      const session = new Session({ stableMs: options.stableMs, thinkMs: options.thinkMs, scenario, book, crash: options.crash });
      const server = createAgentapiServer(session, uploads);
      open.push({ session, server });
      await listen(server, port, options.host);
      void session.start(first);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { ports: open.map(({ server }) => (server.address() as AddressInfo).port), close };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function closeServer(session: Session, server: Server): Promise<void> {
  session.close();
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}
