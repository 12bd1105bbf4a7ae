import { type DestinationStream, pino, type Logger } from 'pino';

export type { Logger };

/** Enough lines for one write; the rest waits in memory until then, or until `flush`. */
const BUFFER_BYTES = 8_192;

/** The service's log: JSON lines on standard output, buffered, flushed by `flushLog` at shutdown. */
export function createLogger(level: string, destination: DestinationStream = standardOutput()): Logger {
  return pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: withoutData },
    },
    destination,
  );
}

const standardOutput = (): DestinationStream => pino.destination({ sync: false, minLength: BUFFER_BYTES });

/** Errors of the database carry along what a statement was about: its parameters, and rows and values that were refused. These are data of callers (S12). */
function withoutData(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return error;
  const shown: Record<string, unknown> = { ...pino.stdSerializers.err(error as Error) };
  for (const name of ['parameters', 'driverError', 'detail', 'where']) delete shown[name];
  return shown;
}

/** Resolves when everything logged so far is written. */
export function flushLog(logger: Logger): Promise<void> {
  return new Promise((resolve) => logger.flush(() => resolve()));
}
