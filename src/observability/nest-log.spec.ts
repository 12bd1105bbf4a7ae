import { pino } from 'pino';
import { NestLog } from './nest-log.js';

describe(NestLog.name, () => {
  it('keeps the level, the class and the stack of what Nest logs', () => {
    const lines: Record<string, unknown>[] = [];
    const log = new NestLog(
      pino(
        { base: undefined, timestamp: false },
        { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
      ),
    );
    log.error('broken', 'Error: x\n    at y', 'ProblemFilter');
    log.warn('look', 'Router');
    log.log('start-up chatter', 'NestFactory');
    expect(lines).toEqual([
      { level: 50, msg: 'broken', context: 'ProblemFilter', stack: 'Error: x\n    at y' },
      { level: 40, msg: 'look', context: 'Router' },
    ]);
  });
});
