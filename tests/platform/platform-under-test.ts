import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type {
  Interruption,
  nodeFlagsOf,
  Platform,
  PlatformOptions,
  PlatformProcess,
  programOf,
} from '../../apps/cli/dist/platform/index.js';

export type { Platform, PlatformProcess };

export interface PlatformModule {
  readonly startPlatform: (options: PlatformOptions) => Promise<Platform>;
  readonly listenForInterruption: () => Interruption;
  readonly programOf: typeof programOf;
  readonly nodeFlagsOf: typeof nodeFlagsOf;
}

/** The platform as it was built; the type-checker knows it, and nothing of it is loaded before it is used. */
export const platformModule = async (): Promise<PlatformModule> =>
  (await import(pathToFileURL(resolve('apps/cli/dist/platform/index.js')).href)) as PlatformModule;

export interface PlatformUnderTest extends Platform {
  /** Stops everything and removes the data. */
  discard(): Promise<void>;
}

/** Starts the platform as `task-master up` does, on a data directory of its own under the system's temporary directory. */
export async function startPlatformUnderTest(
  options: Omit<PlatformOptions, 'env' | 'data' | 'port'> & { readonly env?: Record<string, string> },
): Promise<PlatformUnderTest> {
  const { startPlatform } = await platformModule();
  const data = await mkdtemp(join(tmpdir(), 'taskmaster-under-test-'));
  const env = { ...withoutOurs(process.env), NODE_ENV: 'production', LOG_LEVEL: 'warn', NLP_PROVIDER: 'offline', ...options.env };
  const remove = (): Promise<void> => rm(data, { recursive: true, force: true });
  try {
    const platform = await startPlatform({ ...options, env, data, port: 0 });
    const discard = async (): Promise<void> => {
      await platform.stop();
      await remove();
    };
    return { ...platform, discard };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** What a developer has exported must not change what is measured or tested. */
function withoutOurs(env: NodeJS.ProcessEnv): Record<string, string | undefined> {
  const ours = /^(?:DATABASE_|DB_|NATS_|GATEWAY_|NLP_|ANTHROPIC_|AGENT|SIMULATED_|MAX_CONCURRENT|DEFAULT_WORKFLOW|LOG_LEVEL)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name)));
}
