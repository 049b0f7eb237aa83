import type { PlatformOptions } from './options.js';
import { namesRealAgent, PROGRAMS_TOGETHER, SERVICE_NAMES, type ProgramName } from './services.js';

/** What runs as a process of its own. */
export function wantedPrograms(options: PlatformOptions): readonly ProgramName[] {
  const programs: readonly ProgramName[] = options.apart === true ? SERVICE_NAMES : PROGRAMS_TOGETHER;
  return programs.filter((name) => name !== 'simulated-agent' || wantsSimulatedAgent(options));
}

export function wantsSimulatedAgent({ simulatedAgent = 'auto', env }: PlatformOptions): boolean {
  if (simulatedAgent !== 'auto') return simulatedAgent === 'always';
  return !namesRealAgent(env) && !env['SIMULATED_AGENT_URLS'];
}

/** Who understands requirements: a model where there is a key for one. */
export const interpreterOf = (env: PlatformOptions['env']): string =>
  env['NLP_PROVIDER'] ?? (env['ANTHROPIC_API_KEY'] ? 'anthropic' : 'offline');
