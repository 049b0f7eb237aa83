/** What the gateway needs of a logger; pino fits. */
export interface EdgeLog {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

/** Says nothing; for documents and specs. */
export const SILENT: EdgeLog = { info: () => undefined, warn: () => undefined, error: () => undefined };
