import { DatabaseError, type Databases, type RowPage } from '../../engine/database-port.js';
import { type DuckDbSession } from '../../engine/duckdb-port.js';
import { type Outbound, OutboundError } from '../../engine/outbound-port.js';
import { type StepContext, StepFailure } from '../../engine/step-executor.js';
import { isObject, type Json, own } from '../../engine/values.js';
import { withAuth } from '../../outbound/auth-headers.js';
import { encodeBody, urlOf } from '../../outbound/http-request.js';
import { connectionTarget } from '../../sql/connection-config.js';
import { duckDbStatement } from '../../sql/duckdb-statement.js';
import { json } from '../../sql/pg-values.js';
import { boundText, writeStatement } from '../../sql/write-statement.js';
import { authOf, type DatabaseEnd, loanOf, stateOf, withState } from './transfer.ends.js';
import { pathOf } from './transfer.render.js';
import { type DuckDbSource, type HttpSource, type PostgresSource, type TransferRequest } from './transfer.request.js';

/** Rows under the names of the target's columns. */
export interface RowSource {
  /** At most so many; null after the last. Throws StepFailure. */
  next(maxRows: number): Promise<RowPage | null>;
}

type Mapping = TransferRequest['mapping'];

/** No page is kept that is larger: rows of a table hold at most 1 GB each. */
const MAX_PAGE_BYTES = 64 * 1_048_576;
/** Of an answer of the process that has the database: it ends after the row with which it is more. */
const DUCKDB_PAGE_BYTES = 4 * 1_048_576;

/** Gives the rows of a query to `work`; the query ends with it. Throws StepFailure. */
export function withQueryRows<Result>(
  source: PostgresSource,
  mapping: Mapping,
  { databases, context }: { readonly databases: Databases; readonly context: StepContext },
  work: (rows: RowSource) => Promise<Result>,
): Promise<Result> {
  const end: DatabaseEnd = 'source';
  return databases.use(connectionTarget(source.connection, authOf(context, end)), loanOf(context), async (session) => {
    const statement = writeStatement(source.statement, { dialect: 'postgres', backslashEscapes: session.backslashEscapes });
    await session.control('BEGIN');
    const reader = session.read(statement, { maxPageBytes: MAX_PAGE_BYTES });
    const next = async (maxRows: number): Promise<RowPage | null> => {
      const page = await reader.next(maxRows).catch(failQuery);
      return page && (mapping ? mapped(withColumns(page), mapping) : withColumns(page));
    };
    try {
      const result = await work({ next });
      await reader.close();
      await session.control('COMMIT');
      return result;
    } finally {
      await reader.close();
    }
  });
}

/** The rows of a query that DuckDB is asked. Throws StepFailure. */
export async function duckDbRows({ statement }: DuckDbSource, mapping: Mapping, session: DuckDbSession): Promise<RowSource> {
  const columns = await session.query(duckDbStatement(statement)).catch(failQuery);
  const next = async (maxRows: number): Promise<RowPage | null> => {
    const page = await session.next(maxRows, DUCKDB_PAGE_BYTES).catch(failQuery);
    return page && (mapping ? mapped({ columns, ...page }, mapping) : { columns, ...page });
  };
  withColumns({ columns, rows: [], bytes: 0 });
  return { next };
}

function withColumns(page: RowPage): RowPage {
  if (page.columns.length === 0) throw refused('The query of the source returns no columns');
  return page;
}

function mapped({ columns, rows, bytes }: RowPage, mapping: NonNullable<Mapping>): RowPage {
  const places = mapping.map(([, field]) => columns.indexOf(field));
  const lacking = places.indexOf(-1);
  if (lacking >= 0) throw refused(`The query of the source has no column ${mapping[lacking]![1]}, which mapping names`);
  return { columns: mapping.map(([column]) => column), rows: rows.map((row) => places.map((place) => row[place] ?? null)), bytes };
}

function failQuery(error: unknown): never {
  if (!(error instanceof DatabaseError)) throw error;
  const { sqlState, about, message } = error;
  throw new StepFailure(sqlState === '57014' ? 'timeout' : 'sql_error', `The query of the source failed: ${withState(message, sqlState)}`, {
    cause: { ...stateOf(sqlState), side: 'source', ...about },
  });
}

/** The rows of an HTTP answer, whose body is in memory as that of every call. Throws StepFailure. */
export async function httpRows(source: HttpSource, mapping: Mapping, outbound: Outbound, context: StepContext): Promise<RowSource> {
  const items = await fetchItems(source, outbound, context);
  const paths = mapping?.map(([column, field]) => [column, pathOf(field)] as const) ?? null;
  let at = 0;
  const next = (maxRows: number): RowPage | null => {
    if (at >= items.length) return null;
    const columns = paths ? paths.map(([column]) => column) : Object.keys(rowAt(items, at));
    const rows: (string | null)[][] = [];
    let bytes = 0;
    for (; at < items.length && rows.length < maxRows; at += 1) {
      const item = rowAt(items, at);
      if (!paths && !hasColumns(item, columns)) break; // the next page has other columns
      const row = paths
        ? paths.map(([, path]) => boundText(below(item, path) ?? null))
        : columns.map((column) => boundText(own(item, column) ?? null));
      for (const value of row) bytes += value?.length ?? 0;
      rows.push(row);
    }
    return { columns, rows, bytes };
  };
  return { next: (maxRows) => Promise.resolve().then(() => next(maxRows)) };
}

async function fetchItems({ call, data_path: path }: HttpSource, outbound: Outbound, context: StepContext): Promise<readonly Json[]> {
  const { body, contentType } = encodeBody(call);
  const written = contentType === null ? call.headers : { ...call.headers, 'Content-Type': contentType };
  const headers = withAuth(written, authOf(context, 'source'));
  const { method, verify } = call;
  const admit = (bytes: number): Promise<void> => context.admit(bytes);
  const beforeSending = (): void => context.assertHeld();
  const response = await outbound
    .fetch({ url: urlOf(call), method, headers, body, verify, signal: context.signal, admit, beforeSending })
    .catch(failCall);
  const { status } = response;
  if (status < 200 || status > 299)
    throw new StepFailure('http_error', `The source answered with status ${status}`, { statusCode: status });
  const list = below(parsed(response.body), path);
  if (Array.isArray(list)) return list;
  throw refused(
    path.length === 0 ? 'The body of the source is no list; data_path says where it is' : `There is no list at ${path.join('.')}`,
  );
}

function parsed(body: Uint8Array): Json {
  try {
    return json(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw refused('The body of the source is not JSON');
  }
}

function below(value: Json, path: readonly string[]): Json | undefined {
  let found: Json | undefined = value;
  for (const part of path) {
    if (Array.isArray(found)) found = found[Number(part)];
    else if (found !== undefined && isObject(found)) found = own(found, part);
    else return undefined;
  }
  return found;
}

function rowAt(items: readonly Json[], at: number) {
  const item = items[at] ?? null;
  if (!isObject(item) || Object.keys(item).length === 0) throw refused(`Item ${at + 1} of the source is no mapping with fields`);
  return item;
}

function hasColumns(item: object, columns: readonly string[]): boolean {
  return Object.keys(item).length === columns.length && columns.every((column) => Object.hasOwn(item, column));
}

function failCall(error: unknown): never {
  if (error instanceof OutboundError) throw new StepFailure(error.code, error.message, { retryable: error.retryable });
  throw error;
}

function refused(message: string): StepFailure {
  return new StepFailure('invalid_transfer', message, { retryable: false });
}
