import { type SqlStatement } from './sql-statement.js';

/** One statement of a plan, and what is done before and after it. */
export interface PlannedStatement {
  readonly statement: SqlStatement;
  /** It runs in a transaction block with its neighbours that do too. */
  readonly inTransaction: boolean;
}

/**
 * Which statements share a transaction. All, except: a statement that PostgreSQL refuses inside one runs by itself, and
 * those before and after it are transactions of their own; a script that begins or ends transactions itself, or says
 * `transaction: false`, runs as it is. A single statement is a transaction anyway.
 */
export function planTransactions(statements: readonly SqlStatement[], isWanted: boolean): readonly PlannedStatement[] {
  const isOwn = statements.some(({ words }) => controlsTransactions(words));
  const inOne = isWanted && !isOwn && statements.length > 1;
  return statements.map((statement) => ({ statement, inTransaction: inOne && !standsAlone(statement.words) }));
}

function controlsTransactions([verb, object]: readonly string[]): boolean {
  if (verb === 'ROLLBACK') return object !== 'TO';
  if (verb === 'PREPARE') return object === 'TRANSACTION';
  return verb === 'BEGIN' || verb === 'START' || verb === 'COMMIT' || verb === 'END' || verb === 'ABORT';
}

/** A procedure may commit, which it cannot inside a transaction block. */
function standsAlone([verb, ...rest]: readonly string[]): boolean {
  switch (verb) {
    case 'VACUUM':
    case 'CALL':
      return true;
    case 'CREATE':
    case 'DROP':
      return rest.includes('CONCURRENTLY') || ['DATABASE', 'TABLESPACE', 'SUBSCRIPTION'].includes(rest[0] ?? '');
    case 'REINDEX':
      return rest.includes('CONCURRENTLY') || rest.includes('DATABASE') || rest.includes('SYSTEM') || rest.includes('SCHEMA');
    case 'ALTER':
      return rest[0] === 'SYSTEM';
    case 'CLUSTER':
      return rest.length === 0;
    default:
      return false;
  }
}
