import { planTransactions } from './transactions.js';

const plan = (statements: readonly string[], isWanted = true): boolean[] =>
  planTransactions(
    statements.map((text) => ({ parts: [text], words: text.split(' ').slice(0, 4) })),
    isWanted,
  ).map(({ inTransaction }) => inTransaction);

describe(planTransactions.name, () => {
  it.each<[string, string[], boolean[]]>([
    ['several share one', ['INSERT INTO t', 'SELECT 1'], [true, true]],
    ['a single one is one', ['INSERT INTO t'], [false]],
    ['what cannot be in one stands alone', ['SELECT 1', 'VACUUM t', 'SELECT 1', 'CALL p'], [true, false, true, false]],
    [
      'indexes, concurrently',
      ['CREATE UNIQUE INDEX CONCURRENTLY', 'DROP INDEX CONCURRENTLY i', 'CREATE INDEX i', 'REINDEX TABLE CONCURRENTLY t'],
      [false, false, true, false],
    ],
    ['databases', ['CREATE DATABASE d', 'DROP TABLESPACE s', 'ALTER SYSTEM SET', 'CREATE TABLE d'], [false, false, false, true]],
    ['its own', ['BEGIN', 'SELECT 1', 'COMMIT'], [false, false, false]],
    ['savepoints are no transactions', ['SAVEPOINT s', 'ROLLBACK TO s'], [true, true]],
    ['but ROLLBACK ends one', ['SELECT 1', 'ROLLBACK'], [false, false]],
  ])('%s', (_name, statements, expected) => expect(plan(statements)).toEqual(expected));
  it('not where it is not wanted', () => expect(plan(['SELECT 1', 'SELECT 2'], false)).toEqual([false, false]));
});
