import type { Logger } from 'pino';
import { createLogger } from './logger.js';

/** What a supervisor is told over IPC once a service can be used. */
export interface ReadyMessage {
  readonly type: 'ready';
  readonly service: string;
  readonly port?: number;
}

/** Tells the parent process, if there is one, and the log that this service is ready. */
export function announceReady(ready: { readonly service: string; readonly port?: number }, logger?: Logger): void {
  const message: ReadyMessage = { type: 'ready', service: ready.service, ...(ready.port === undefined ? {} : { port: ready.port }) };
  // A supervisor that died between our start and now is noticed by `disconnect`, so a failed send needs no answer here.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  logger?.info(ready.port === undefined ? {} : { port: ready.port }, 'ready');
}

/** What nobody catches, also at the start, ends the process with one line of log that says why, instead of a bare stack. */
export function sayWhyItEnds(service: string): void {
  process.on('uncaughtException', (error) => {
    const advice = isRetryable(error) ? ' without what did not answer: see to that, check its address, and start it again' : '';
    createLogger({ service }).fatal({ err: error }, `${service} cannot go on${advice}`);
    process.exit(1);
  });
}

/** A service that waits at its start for a server says so, what can be done, and which variable names it. */
export const sayThatItWaits =
  (logger: Logger, variable: string) =>
  (address: string): void => {
    logger.warn({ address, variable }, 'waits for a server that does not answer: start it, or check its address, user and password');
  };

/** What fails because the world did says of itself that trying again can help. */
const isRetryable = (error: Error): boolean => 'retryable' in error && error.retryable === true;

/** One thing to close, in its place in the order. */
export interface Closer {
  readonly name: string;
  readonly close: () => Promise<unknown> | undefined;
}

export interface Shutdown {
  /** Whether the process is on its way out; readiness says no from then on. */
  readonly draining: boolean;
  /** Closes everything and ends the process. Later calls join the first. */
  drain(reason: string): Promise<never>;
}

const SHUTDOWN_LIMIT_MS = 15_000;
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Closes these in order on SIGTERM, SIGINT or the supervisor's end (IPC disconnect), then exits: 0 when everything closed, 1 when
 * something failed or the limit passed. A second signal exits at once. Correctness never depends on any of it.
 */
export function onShutdown(closers: readonly Closer[], options: { readonly logger?: Logger; readonly limitMs?: number } = {}): Shutdown {
  const { logger, limitMs = SHUTDOWN_LIMIT_MS } = options;
  let ending: Promise<never> | undefined;
  const drain = (reason: string): Promise<never> => {
    ending ??= closeAll(closers, { logger, limitMs, reason });
    return ending;
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (ending !== undefined) process.exit(EXIT_BY_SIGNAL[signal]);
      void drain(signal);
    });
  }
  if (process.connected) process.once('disconnect', () => void drain('disconnect'));
  return {
    get draining() {
      return ending !== undefined;
    },
    drain,
  };
}

interface Closing {
  readonly logger: Logger | undefined;
  readonly limitMs: number;
  readonly reason: string;
}

async function closeAll(closers: readonly Closer[], { logger, limitMs, reason }: Closing): Promise<never> {
  const startedAt = performance.now();
  let current = '';
  let failures = 0;
  setTimeout(() => {
    logger?.error({ reason, limitMs, closer: current }, 'shutdown passed its limit');
    process.exit(1);
  }, limitMs).unref();
  for (const { name, close } of closers) {
    current = name;
    try {
      await close();
    } catch (error) {
      failures += 1;
      logger?.error({ err: error, closer: name }, 'closing failed');
    }
  }
  logger?.info({ reason, failures, durationMs: Math.round(performance.now() - startedAt) }, 'stopped');
  process.exit(failures === 0 ? 0 : 1);
}
