/**
 * What a value is where the text before it is code: a value, the name of something, either (ORDER BY takes a column or
 * its number), the start of a statement, or something unclear because two ways lead there.
 */
export type Place = 'value' | 'name' | 'name_or_number' | 'start' | 'unclear';

/** What of the text before a value decides its place. */
export interface TokensBefore {
  readonly last: string;
  readonly before: string;
  readonly first: readonly string[];
  readonly brackets: readonly string[];
  readonly blank: boolean;
}

/** Words after which the name of a table, schema or another object comes. */
const BEFORE_NAMES: ReadonlySet<string> = new Set([
  ...['FROM', 'JOIN', 'INTO', 'UPDATE', 'TABLE', 'SCHEMA', 'DATABASE', 'INDEX', 'VIEW', 'SEQUENCE', 'TRUNCATE', 'EXISTS', 'ONLY'],
  ...['CONCURRENTLY', 'AS', 'COLUMN', 'CONSTRAINT', 'ROLE', 'USER', 'EXTENSION', 'FUNCTION', 'PROCEDURE', 'TRIGGER', 'TYPE', 'DOMAIN'],
  ...['REFERENCES', 'CALL', 'VACUUM', 'ANALYZE', 'COPY', 'CLUSTER', 'USING', 'SET', 'SECRET', 'MACRO', 'USE', 'DESCRIBE', 'SUMMARIZE'],
  ...['SAVEPOINT', 'COLLATE', 'POLICY', 'OWNER', 'LISTEN', 'NOTIFY', 'UNLISTEN'],
]);
/** Functions whose arguments are written with FROM. */
const FROM_FUNCTIONS: ReadonlySet<string> = new Set(['EXTRACT', 'SUBSTRING', 'TRIM', 'OVERLAY', 'POSITION']);
/** Statements in which ON comes before a table. */
const ON_STATEMENTS: ReadonlySet<string> = new Set(['CREATE', 'DROP', 'GRANT', 'REVOKE', 'COMMENT', 'ALTER']);

export function placeAfter({ last, before, first, brackets, blank }: TokensBefore): Place {
  if (blank) return 'start';
  if (last === '?') return 'unclear';
  if (last === '.') return 'name';
  if (last === 'BY') return 'name_or_number';
  const [statement = ''] = first;
  switch (last) {
    case 'FROM':
      return before === 'DISTINCT' || statement === 'COPY' || FROM_FUNCTIONS.has(brackets.at(-1) ?? '') ? 'value' : 'name';
    case 'ON':
      return ON_STATEMENTS.has(statement) ? 'name' : 'value';
    case 'TO':
      return before === 'RENAME' || before === 'OWNER' || statement === 'GRANT' ? 'name' : 'value';
    default:
      return BEFORE_NAMES.has(last) ? 'name' : 'value';
  }
}

/** DO, CREATE FUNCTION and CREATE PROCEDURE: what stands in their literals is run. `?` is a word that may be any. */
export function isBodyStatement(first: readonly string[]): boolean {
  const [verb, ...rest] = first;
  if (verb === 'DO' || verb === '?') return true;
  if (verb !== 'CREATE') return false;
  const [object] = rest[0] === 'OR' ? rest.slice(2) : rest;
  return object === 'FUNCTION' || object === 'PROCEDURE' || object === '?';
}
