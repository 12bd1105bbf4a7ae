/** What storage says while it works; any pino-compatible logger fits. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** For tests and tools that have no use for the lines. */
export const SILENT_LOG: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** The log of this process, for constructors. */
export const LOG = Symbol('LOG');
