import { type LoggerService } from '@nestjs/common';
import { type Logger } from './logger.js';

/** What Nest and its providers log, as lines of the service's log. */
export class NestLog implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: readonly unknown[]): void {
    this.logger.debug(fieldsOf(rest), String(message));
  }
  warn(message: unknown, ...rest: readonly unknown[]): void {
    this.logger.warn(fieldsOf(rest), String(message));
  }
  error(message: unknown, ...rest: readonly unknown[]): void {
    this.logger.error(fieldsOf(rest), String(message));
  }
  fatal(message: unknown, ...rest: readonly unknown[]): void {
    this.logger.fatal(fieldsOf(rest), String(message));
  }
}

/** Nest passes an optional stack, then the name of the class that logs. */
function fieldsOf(rest: readonly unknown[]): object {
  const texts = rest.filter((value) => typeof value === 'string');
  const stack = texts.find((text) => text.includes('\n'));
  return { context: texts.at(-1) === stack ? undefined : texts.at(-1), stack };
}
