import { pino, stdSerializers, type DestinationStream, type Logger } from 'pino';

export type { Logger };

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A net below the rule that secrets are not handed to the logger at all. */
const REDACTED = [
  'password',
  'secret',
  'apiKey',
  'token',
  'authorization',
  'headers.authorization',
  'headers.cookie',
  'headers["x-api-key"]',
];

/** Drivers hang onto an error what they have at hand: a whole connection with its keys, the row that was refused. */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack } = stdSerializers.err(error);
  const { code } = error as { readonly code?: unknown };
  return { type, message, ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}), stack };
}

/** JSON lines on stdout. Fields are ids and numbers, never payloads. */
export function createLogger(options: { readonly service: string; readonly level?: LogLevel }, destination?: DestinationStream): Logger {
  const settings = {
    level: options.level ?? 'info',
    base: { service: options.service },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: errorFields },
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: REDACTED.flatMap((path) => (path.includes('.') || path.includes('[') ? [path] : [path, `*.${path}`])),
      censor: '[redacted]',
    },
  };
  return destination === undefined ? pino(settings) : pino(settings, destination);
}

/** What Nest calls a LoggerService, writing to our logger; Nest's start-up chatter goes to `debug`. */
export interface FrameworkLogger {
  log(message: unknown, ...rest: unknown[]): void;
  error(message: unknown, ...rest: unknown[]): void;
  warn(message: unknown, ...rest: unknown[]): void;
  debug(message: unknown, ...rest: unknown[]): void;
  verbose(message: unknown, ...rest: unknown[]): void;
  fatal(message: unknown, ...rest: unknown[]): void;
}

export function frameworkLogger(logger: Logger): FrameworkLogger {
  const at =
    (level: 'fatal' | 'error' | 'warn' | 'debug' | 'trace') =>
    (message: unknown, ...rest: unknown[]): void => {
      const context = rest.at(-1);
      const fields = { ...(message instanceof Error ? { err: message } : {}), ...(typeof context === 'string' ? { context } : {}) };
      logger[level](fields, message instanceof Error ? message.message : String(message));
    };
  return { log: at('debug'), error: at('error'), warn: at('warn'), debug: at('debug'), verbose: at('trace'), fatal: at('fatal') };
}
