import { pino, type Logger } from 'pino';

export type { Logger };

/** Enough lines for one write; the rest waits in memory until then, or until `flush`. */
const BUFFER_BYTES = 8_192;

/** The service's log: JSON lines on standard output, buffered, flushed by `flushLog` at shutdown. */
export function createLogger(level: string): Logger {
  return pino(
    { level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    pino.destination({ sync: false, minLength: BUFFER_BYTES }),
  );
}

/** Resolves when everything logged so far is written. */
export function flushLog(logger: Logger): Promise<void> {
  return new Promise((resolve) => logger.flush(() => resolve()));
}
