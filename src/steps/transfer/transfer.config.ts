import { EngineError, type Issue } from '../../engine/engine-error.js';
import { type Action } from '../../engine/playbook/playbook.js';
import { type ValueTemplate } from '../../engine/template/template.js';
import { isObject, type Json, type JsonObject, own } from '../../engine/values.js';
import { type HttpTarget } from '../../outbound/http-request.js';
import { compiled, type ConnectionConfig, connectionConfig } from '../../sql/connection-config.js';
import { compileCommand, type SqlCommand } from '../../sql/sql-command.js';

export interface QueryConfig {
  /** Where it is asked. */
  readonly place: PlaceConfig;
  readonly type: 'postgres' | 'duckdb';
  readonly command: SqlCommand;
  readonly parameters: ValueTemplate;
}

/** A database of PostgreSQL, or one of DuckDB by its name. */
export type PlaceConfig =
  { readonly type: 'postgres'; readonly connection: ConnectionConfig } | { readonly type: 'duckdb'; readonly database: ValueTemplate };

export interface HttpConfig extends HttpTarget {
  readonly type: 'http';
  readonly method: ValueTemplate;
  /** Renders to `{query, body}`. */
  readonly inputs: ValueTemplate;
  readonly dataPath: ValueTemplate;
}

export interface TargetConfig {
  readonly type: 'postgres' | 'duckdb';
  readonly place: PlaceConfig;
  readonly into:
    | { readonly kind: 'table'; readonly table: ValueTemplate; readonly mode: ValueTemplate; readonly key: ValueTemplate }
    | { readonly kind: 'query'; readonly command: SqlCommand; readonly by: 'name' | 'place'; readonly parameters: Json };
}

/** A side that the language has and this service does not serve. */
export interface Unsupported {
  readonly type: 'unsupported';
  readonly message: string;
}

export interface TransferConfig {
  readonly source: QueryConfig | HttpConfig | Unsupported;
  readonly target: TargetConfig | Unsupported;
  readonly mapping: ValueTemplate;
  readonly chunkSize: ValueTemplate;
}

/** Reads the fields of a transfer. Throws EngineError `invalid_document` whose pointers are relative to the action. */
export function parseTransferConfig({ fields, auth }: Action): TransferConfig {
  const [source, target] = [sideOf(fields, 'source'), sideOf(fields, 'target')];
  const mapping = own(target, 'mapping') ?? null;
  return {
    source: parseSource(source, authOf(auth, 'source')),
    target: parseTarget(target, authOf(auth, 'target')),
    mapping: mapping === null ? compiled(own(fields, 'mapping') ?? null, '/mapping') : compiled(mapping, '/target/mapping'),
    chunkSize: compiled(own(fields, 'chunk_size') ?? own(target, 'chunk_size') ?? 1_000, '/chunk_size'),
  };
}

function parseSource(source: JsonObject, auth: Json): TransferConfig['source'] {
  const field = (...names: readonly string[]): Json => firstOf(source, names);
  switch (source['type']) {
    case 'postgres':
    case 'duckdb':
      return {
        type: source['type'],
        place: placeOf(source, source['type'], auth, '/source'),
        command: compileCommand(field('query', 'command', 'sql', 'statement'), source['type'], '/source/query'),
        parameters: compiled(field('parameters', 'params'), '/source/parameters'),
      };
    case 'http': {
      const endpoint = field('endpoint', 'url');
      if (typeof endpoint !== 'string') throw invalid('missing_field', 'An http source needs an endpoint', '/source/endpoint');
      const inputs = { query: field('params', 'query'), body: field('body', 'payload', 'data', 'json') };
      return {
        type: 'http',
        endpoint: compiled(endpoint, '/source/endpoint'),
        method: compiled(field('method') ?? 'GET', '/source/method'),
        headers: compiled(field('headers') ?? {}, '/source/headers'),
        verify: compiled(field('verify', 'verify_ssl') ?? true, '/source/verify'),
        inputs: compiled(inputs, '/source'),
        dataPath: compiled(field('data_path'), '/source/data_path'),
      };
    }
    default:
      return unsupported('source', source['type'] ?? null);
  }
}

function parseTarget(target: JsonObject, auth: Json): TransferConfig['target'] {
  const { type = null } = target;
  if (type !== 'postgres' && type !== 'duckdb') return unsupported('target', type);
  const [table, query] = [own(target, 'table') ?? null, firstOf(target, ['query', 'command', 'sql', 'statement'])];
  if (table === null && query === null)
    throw invalid('missing_field', 'The target of a transfer needs a table, or a query for each row', '/target/table');
  if (table !== null && query !== null)
    throw invalid('ambiguous_field', 'The target of a transfer has a table and a query; one of them says where rows go', '/target/query');
  const place = placeOf(target, type, auth, '/target');
  if (query !== null)
    return { type, place, into: { kind: 'query', command: compileCommand(query, type, '/target/query'), ...rowBinds(query) } };
  return {
    type,
    place,
    into: {
      kind: 'table',
      table: compiled(table, '/target/table'),
      mode: compiled(own(target, 'mode') ?? 'append', '/target/mode'),
      key: compiled(own(target, 'key') ?? [], '/target/key'),
    },
  };
}

function placeOf(side: JsonObject, type: 'postgres' | 'duckdb', auth: Json, pointer: string): PlaceConfig {
  if (type === 'postgres') return { type, connection: connectionConfig(side, auth, pointer) };
  return { type, database: compiled(own(side, 'database') ?? null, `${pointer}/database`) };
}

/** Columns of a row, at most: as many as a table of PostgreSQL has. */
const MOST_COLUMNS = 1_600;

/** Parameters that stand for the fields of a row: `%s` and `$n` for its places, `:name` and `%(name)s` for its names. */
function rowBinds(query: Json): { readonly by: 'name' | 'place'; readonly parameters: Json } {
  const text = typeof query === 'string' ? query : '';
  if (/%s(?!\w)|\$\d/.test(text)) return { by: 'place', parameters: Array.from({ length: MOST_COLUMNS }, (_, at) => at) };
  const names = [...text.matchAll(/(?<!:):([A-Za-z_]\w*)|%\(([^)]{1,200})\)s/g)].map(([, plain, percent]) => (plain ?? percent)!);
  return { by: 'name', parameters: Object.fromEntries(names.map((name) => [name, name])) };
}

function sideOf(fields: JsonObject, name: 'source' | 'target'): JsonObject {
  const side = own(fields, name) ?? null;
  return isObject(side) ? side : {};
}

/** Aliases stand for sides since the document was read. */
function authOf(auth: Json, side: string): Json {
  return isObject(auth) ? (own(auth, side) ?? null) : null;
}

function firstOf(side: JsonObject, names: readonly string[]): Json {
  return names.map((name) => own(side, name) ?? null).find((value) => value !== null) ?? null;
}

function unsupported(side: string, type: Json): Unsupported {
  return { type: 'unsupported', message: `A transfer with the ${side} ${String(type)} cannot run here` };
}

function invalid(code: Issue['code'], message: string, pointer: string): EngineError {
  return new EngineError('invalid', 'invalid_document', message, [{ code, message, pointer }]);
}
