import { type SentStatement } from '../engine/database-port.js';
import { StepFailure } from '../engine/step-executor.js';
import { type Json } from '../engine/values.js';
import { contextFailure } from './sql-failure.js';
import { type Dialect } from './sql-lexer.js';
import { type SqlStatement, type WrittenPart } from './sql-statement.js';

export interface WriteOptions {
  readonly dialect: Dialect;
  /** The session reads backslashes in '…' as escapes (standard_conforming_strings = off). */
  readonly backslashEscapes?: boolean;
}

/** Writes every value in the form of its place. Throws StepFailure for values that SQL cannot hold (NUL, half characters). */
export function writeStatement(statement: SqlStatement, options: WriteOptions): SentStatement {
  const { parts } = statement;
  const values: (string | null)[] = [];
  const ownText = parts.filter((part) => typeof part === 'string');
  // Where the author's backslashes mean something else than was assumed, nobody knows where a text ends.
  if (options.backslashEscapes && ownText.length < parts.length && ownText.some((text) => text.includes('\\'))) {
    throw contextFailure('The session has standard_conforming_strings = off, and the statement has backslashes beside values.');
  }
  const write = (part: string | WrittenPart): string => {
    if (typeof part === 'string') return part;
    if (part.as !== 'bind' && part.as !== 'bind_array') return written(part, options);
    values.push(boundText(part.value, part.as === 'bind_array'));
    return ` $${values.length} `;
  };
  return { text: parts.map(write).join(''), ownText: ownText.join(' '), values };
}

/** A name as the server has it after folding, in quotes. */
export function quoteName(name: string): string {
  if (name === '') throw contextFailure('A name in the SQL is empty.');
  return `"${checked(name).replaceAll('"', '""')}"`;
}

/** A value as a bound parameter: text, JSON for lists and mappings; its type is the server's to infer. */
export function boundText(value: Json, isArray = false): string | null {
  if (value === null) return null;
  return checked(isArray && Array.isArray(value) ? arrayText(value) : textOf(value));
}

/** `schema.table` in its parts: quoted or plain names with dots between them; anything else is one name. */
export function objectName(value: Json, dialect: Dialect): string {
  const name = textOf(value);
  const parts = name.match(/"(?:[^"]|"")+"|[^."\s]+|[.]/g) ?? [];
  const isPath = parts.length % 2 === 1 && parts.join('') === name && parts.every((part, index) => (index % 2 === 1) === (part === '.'));
  const isPlain = isPath && parts.every((part, index) => index % 2 === 1 || part.startsWith('"') || PLAIN_NAME.test(part));
  if (!isPlain) return quoteName(name);
  const unquoted = (part: string): string => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : folded(part, dialect));
  return parts.map((part) => (part === '.' ? part : quoteName(unquoted(part)))).join('');
}

const PLAIN_NAME = /^[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*$/;

/** PostgreSQL turns names without quotes into lower case; DuckDB looks names up in any. */
function folded(name: string, dialect: Dialect): string {
  return dialect === 'postgres' ? name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : name;
}

function written({ as, value }: WrittenPart, { dialect, backslashEscapes = false }: WriteOptions): string {
  switch (as) {
    case 'text': {
      const text = checked(textOf(value)).replaceAll("'", "''");
      return backslashEscapes ? text.replaceAll('\\', '\\\\') : text;
    }
    case 'escape':
      return checked(textOf(value)).replaceAll('\\', '\\\\').replaceAll("'", "''");
    case 'quoted':
      return checked(textOf(value)).replaceAll('"', '""');
    case 'identifier':
      return ` ${identifier(value, dialect)} `;
    case 'object':
      return ` ${objectName(value, dialect)} `;
    case 'array':
      return Array.isArray(value) ? ` ${literal(arrayText(value), dialect)} ` : ` ${valueText(value, dialect)} `;
    case 'elements':
      return ` ${elements(value, dialect)} `;
    default:
      return ` ${valueText(value, dialect)} `;
  }
}

function elements(value: Json, dialect: Dialect): string {
  return Array.isArray(value) ? `[${value.map((item) => elements(item, dialect)).join(',')}]` : valueText(value, dialect);
}

function identifier(value: Json, dialect: Dialect): string {
  const name = (Array.isArray(value) ? value : [value]).map(textOf).join('');
  return quoteName(PLAIN_NAME.test(name) ? folded(name, dialect) : name);
}

function valueText(value: Json, dialect: Dialect): string {
  if (value === null) return 'NULL';
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE';
  // In brackets, so that it is no comment after a minus, and a cast binds to all of it.
  if (typeof value === 'number') return value < 0 || Object.is(value, -0) ? `(${String(value)})` : String(value);
  return literal(textOf(value), dialect);
}

function literal(text: string, dialect: Dialect): string {
  const quoted = checked(text).replaceAll("'", "''");
  // With backslashes, in the form that means the same whatever the session's setting is.
  return dialect === 'postgres' && quoted.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}

/** The text of an array: {1,"a",NULL,{2}}. */
function arrayText(list: readonly Json[]): string {
  const items = list.map((item) => {
    if (item === null) return 'NULL';
    if (Array.isArray(item)) return arrayText(item);
    if (typeof item === 'number' || typeof item === 'boolean') return String(item);
    return `"${textOf(item).replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${items.join(',')}}`;
}

function textOf(value: Json): string {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function checked(text: string): string {
  if (text.includes('\0') || !text.isWellFormed())
    throw new StepFailure('invalid_unicode', 'A value in the SQL has a NUL or half of a character, which no database holds', {
      retryable: false,
    });
  return text;
}
