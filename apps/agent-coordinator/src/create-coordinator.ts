import { join, resolve } from 'node:path';
import { Fault, timestampOf, type CommandSender, type Notice, type QueryAsker, type RepositoryRef } from '@taskmaster/contracts';
import { systemTimers } from '@taskmaster/messaging';
import type { Logger } from '@taskmaster/service-kit';
import { runChangeStep } from './change.reactor.js';
import type { CoordinatorConfig } from './config.js';
import { contextOf, errorOf, type Coordinator } from './coordinator.js';
import { Drivers } from './drivers/index.js';
import type { Forge } from './forge/forge.js';
import { GithubForge } from './forge/github-forge.js';
import { LocalForge } from './forge/local-forge.js';
import { createGit } from './git.js';
import { HeldAttempts, type Held } from './held-attempts.js';
import { claimInstance } from './instance.js';
import { createLanes } from './lanes.js';
import { reattachAgent, recoverSessions, reportLost } from './recover.js';
import { AgentRegistry, configuredAgents } from './registry.js';
import { StepReporter, workOf } from './steps.js';
import { Mirrors } from './workspace/mirrors.js';
import { Sessions } from './workspace/sessions.js';
import { Workspaces } from './workspace/workspaces.js';

export interface World {
  readonly sender: CommandSender;
  readonly asker: QueryAsker;
  readonly logger: Logger;
}

/** A coordinator with its place on disk, and what main has to do around it. */
export interface RunningCoordinator {
  readonly coordinator: Coordinator;
  /** Takes up what an earlier life left, then registers agents. Call before notices are consumed. */
  begin(): Promise<void>;
  /** Looks whether its agents can be reached, and goes on looking: one that cannot keeps others from no work. */
  watch(): Promise<void>;
  /** Records a notice that fails every time as a failed step. */
  failPoison(notice: Notice, error: unknown): Promise<void>;
  readonly draining: () => boolean;
  drain(): Promise<void>;
  release(): Promise<void>;
}

export async function createCoordinator(config: CoordinatorConfig, world: World): Promise<RunningCoordinator> {
  const { sender, asker, logger } = world;
  const instance = await claimInstance(resolve(config.WORKSPACES_DIR));
  const onFault = (what: string, error: unknown): void => {
    logger.warn({ what, err: error }, 'fault');
  };
  const drivers = new Drivers({
    env: config.agentEnv,
    ...(config.AGENTAPI_KEY === undefined ? {} : { agentapi: { apiKey: config.AGENTAPI_KEY } }),
  });
  const coordinator = coordinatorAt(config, world, { ...instance, onFault, drivers });
  const registry = new AgentRegistry(
    { sender, asker, driverOf: coordinator.driverOf, onFault },
    instance.holder,
    config.AGENT_HEALTH_INTERVAL_MS,
  );
  let draining = false;
  return {
    coordinator,
    begin: async () => {
      const found = await recoverSessions(coordinator, (held) => resume(coordinator, held));
      if (found.resumed + found.cleaned > 0) logger.info(found, 'took up what was left');
      await registry.register(configuredAgents(addressesOf(config)));
    },
    watch: () => registry.watch(),
    failPoison: async (notice, error) => {
      onFault('a notice failed again and again', error);
      const failure = errorOf(error);
      await coordinator.reporter.fail(workOf(notice), { ...failure, retryable: error instanceof Fault && error.retryable });
    },
    draining: () => draining,
    drain: async () => {
      draining = true;
      await registry.close();
      await coordinator.held.drain(config.DRAIN_GRACE_MS);
    },
    release: instance.release,
  };
}

interface Place {
  readonly root: string;
  readonly holder: string;
  readonly drivers: Drivers;
  readonly onFault: (what: string, error: unknown) => void;
}

function coordinatorAt(config: CoordinatorConfig, { sender, asker }: World, place: Place): Coordinator {
  const { root, holder, onFault, drivers } = place;
  const token = config.GITHUB_TOKEN;
  const credential = token === undefined ? {} : { credential: { origin: 'https://github.com', token } };
  const git = createGit({ home: join(root, 'git'), searchPath: config.PATH, ...credential });
  const lanes = createLanes();
  const mirrors = new Mirrors(git, join(root, 'mirrors'), lanes);
  const forges: Readonly<Record<RepositoryRef['forge'], Forge>> = {
    local: new LocalForge(git),
    github: new GithubForge({ apiUrl: config.GITHUB_API_URL, ...(token === undefined ? {} : { token }) }),
  };
  return {
    asker,
    reporter: new StepReporter(sender, holder, config.LEASE_MS),
    held: new HeldAttempts(asker, { holder, leaseMs: config.LEASE_MS, onFault }),
    sessions: new Sessions(join(root, 'sessions'), lanes),
    desk: {
      git,
      lanes,
      mirrors,
      workspaces: new Workspaces(git, join(root, 'workspaces'), mirrors, lanes),
      forgeOf: (repository) => forges[repository.forge],
      commandEnv: config.commandEnv,
    },
    driverOf: (agent) => Promise.resolve().then(() => drivers.of(agent)),
    now: () => timestampOf(Date.now()),
    timers: systemTimers,
  };
}

const addressesOf = (config: CoordinatorConfig): Parameters<typeof configuredAgents>[0] => ({
  simulated: config.SIMULATED_AGENT_URLS,
  agentapi: config.AGENTAPI_URL,
  claudeCode: config.CLAUDE_CODE_ENDPOINT,
  codegen: config.CODEGEN_ENDPOINT,
  aider: config.AIDER_ENDPOINT,
  goose: config.GOOSE_ENDPOINT,
});

/** Goes on with an attempt of an earlier life, each kind in its way. */
export async function resume(c: Coordinator, held: Held): Promise<void> {
  const { kind, tenantId } = held.work;
  if (kind === 'agent.run' || kind === 'agent.review') {
    const { items } = await c.asker.ask('ListAgents', { tenantId });
    return reattachAgent(c, held, items);
  }
  if (!kind.startsWith('change.')) return reportLost(c, held);
  const context = await contextOf(c, held.work);
  return context ? runChangeStep(c, held, context) : c.sessions.remove(held.work);
}
