import { EngineError, type Issue } from '../../engine/engine-error.js';
import { type Action } from '../../engine/playbook/playbook.js';
import { type ValueTemplate } from '../../engine/template/template.js';
import { isObject, type Json, type JsonObject, own } from '../../engine/values.js';
import { type HttpTarget } from '../../outbound/http-request.js';
import { compiled, type ConnectionConfig, connectionConfig } from '../../sql/connection-config.js';
import { compileCommand, type SqlCommand } from '../../sql/sql-command.js';

export interface QueryConfig {
  readonly type: 'postgres';
  readonly connection: ConnectionConfig;
  readonly command: SqlCommand;
  readonly parameters: ValueTemplate;
}

export interface HttpConfig extends HttpTarget {
  readonly type: 'http';
  readonly method: ValueTemplate;
  /** Renders to `{query, body}`. */
  readonly inputs: ValueTemplate;
  readonly dataPath: ValueTemplate;
}

export interface TableConfig {
  readonly type: 'postgres';
  readonly connection: ConnectionConfig;
  readonly table: ValueTemplate;
  readonly mode: ValueTemplate;
  readonly key: ValueTemplate;
}

/** A side that the language has and this service does not serve. */
export interface Unsupported {
  readonly type: 'unsupported';
  readonly message: string;
}

export interface TransferConfig {
  readonly source: QueryConfig | HttpConfig | Unsupported;
  readonly target: TableConfig | Unsupported;
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
      return {
        type: 'postgres',
        connection: connectionConfig(source, auth, '/source'),
        command: compileCommand(field('query', 'command', 'sql', 'statement'), 'postgres', '/source/query'),
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
  if (target['type'] !== 'postgres') return unsupported('target', target['type'] ?? null);
  const table = own(target, 'table') ?? null;
  if (table === null && (own(target, 'query') ?? null) !== null)
    return { type: 'unsupported', message: 'A transfer writes into a table; a query as its target cannot run here' };
  if (table === null) throw invalid('missing_field', 'The target of a transfer needs a table', '/target/table');
  return {
    type: 'postgres',
    connection: connectionConfig(target, auth, '/target'),
    table: compiled(table, '/target/table'),
    mode: compiled(own(target, 'mode') ?? 'append', '/target/mode'),
    key: compiled(own(target, 'key') ?? [], '/target/key'),
  };
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
  const advice = type === 'duckdb' ? '; in a duckdb step, SQL with ATTACH moves rows' : '';
  return { type: 'unsupported', message: `A transfer with the ${side} ${String(type)} cannot run here${advice}` };
}

function invalid(code: Issue['code'], message: string, pointer: string): EngineError {
  return new EngineError('invalid', 'invalid_document', message, [{ code, message, pointer }]);
}
