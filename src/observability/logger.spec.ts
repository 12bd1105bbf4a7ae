import { DatabaseError } from 'pg';
import { createLogger } from './logger.js';

it('the log shows what failed, and nothing of the data of callers that a database error carries along', () => {
  const lines: string[] = [];
  const log = createLogger('info', { write: (line) => void lines.push(line) });
  const driver = Object.assign(new DatabaseError('new row violates check constraint', 1, 'error'), {
    code: '23514',
    detail: 'Failing row contains (1, secret-of-row).',
    where: 'JSON data, line 1: secret-of-json',
  });
  // As TypeORM passes it on.
  const query = { query: 'INSERT INTO t VALUES ($1)', parameters: ['secret-of-parameter'], driverError: driver };
  log.error({ err: Object.assign(new Error(driver.message), query, driver) }, 'could not be stored');
  log.warn({ err: driver }, 'nor could this');
  log.warn({ err: new Error('outer', { cause: new Error('inner') }) }, 'causes stay');
  log.warn({ err: 'a word' }, 'so do words');
  const [failed, bare, caused, word] = lines.map((line) => JSON.parse(line) as { err: Record<string, unknown> });
  expect(failed!.err).toMatchObject({ code: '23514', query: 'INSERT INTO t VALUES ($1)' });
  expect(failed!.err['stack']).toContain('logger.spec');
  expect(bare!.err).toMatchObject({ message: 'new row violates check constraint', code: '23514' });
  expect(caused!.err['message']).toBe('outer: inner');
  expect(word!.err).toBe('a word');
  expect(lines.join()).not.toContain('secret');
});
