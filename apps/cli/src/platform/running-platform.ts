import type { ProcessIdentity } from '@taskmaster/provision';
import type { PlatformFault } from './platform-fault.js';

export interface PlatformProcess extends ProcessIdentity {
  readonly name: string;
}

/** How a platform ended: as told, or because something could not be kept alive. */
export type PlatformEnd = { readonly kind: 'stopped' } | { readonly kind: 'failed'; readonly fault: PlatformFault };

export interface Platform {
  /** Where the gateway listens, such as `http://127.0.0.1:3000`. */
  readonly address: string;
  /** Where each of the gateways listens, that one first. */
  readonly addresses: readonly string[];
  readonly data: string;
  readonly apiKey: string;
  readonly apiKeyFile: string;
  readonly logs: string;
  /** Secrets: they hold passwords. */
  readonly databaseUrl: string;
  readonly natsUrl: string;
  /** Whether the simulated agent runs. */
  readonly simulatedAgent: boolean;
  readonly interpreter: string;
  readonly startedInMs: number;
  /** Everything of ours that runs now, servers included. */
  processes(): readonly PlatformProcess[];
  /** Settles when everything is stopped. */
  readonly ended: Promise<PlatformEnd>;
  stop(): Promise<void>;
}
