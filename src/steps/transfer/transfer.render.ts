import { type SqlPolicy } from '../../engine/database-port.js';
import { StepFailure } from '../../engine/step-executor.js';
import { type Rendering } from '../../engine/template/rendering.js';
import { type Scope } from '../../engine/template/scope.js';
import { isObject, type Json, type JsonObject } from '../../engine/values.js';
import { methodOf, splitInputs, targetOf } from '../../outbound/http-request.js';
import { renderConnection } from '../../sql/connection-config.js';
import { databaseName } from '../../sql/duckdb-statement.js';
import { type SqlStatement } from '../../sql/sql-statement.js';
import { type PlaceConfig, type TransferConfig } from './transfer.config.js';
import { type TransferMode, type TransferRequest, type TransferTarget } from './transfer.request.js';

const MODES: Readonly<Record<string, TransferMode>> = {
  append: 'append',
  insert: 'append',
  replace: 'replace',
  overwrite: 'replace',
  upsert: 'upsert',
};
const MAX_CHUNK = 10_000;

/** Throws StepFailure, TemplateError. */
export function renderTransfer(config: TransferConfig, scope: Scope, rendering: Rendering, policy: SqlPolicy): TransferRequest {
  const { source, target } = config;
  for (const side of [source, target]) {
    if (side.type === 'unsupported') throw new StepFailure('unsupported_transfer', side.message, { retryable: false });
  }
  return {
    source: renderSource(source, scope, rendering, policy),
    target: renderTarget(target, scope, rendering, policy),
    mapping: mappingOf(config.mapping.render(scope, rendering)),
    chunk_size: chunkSizeOf(config.chunkSize.render(scope, rendering)),
  };
}

function renderSource(source: TransferConfig['source'], scope: Scope, rendering: Rendering, policy: SqlPolicy): TransferRequest['source'] {
  if (source.type === 'unsupported') throw new StepFailure('unsupported_transfer', source.message, { retryable: false });
  if (source.type !== 'http') {
    const place = renderPlace(source.place, scope, rendering);
    return { ...place, statement: single(source.command.render(scope, rendering, source.parameters.render(scope, rendering), policy)) };
  }
  const method = methodOf(source.method.render(scope, rendering));
  const inputs = source.inputs.render(scope, rendering);
  const given = isObject(inputs) ? Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== null)) : {};
  const call = { ...targetOf(source, scope, rendering), method, ...splitInputs(method, given) };
  return { type: 'http', call, data_path: pathOf(source.dataPath.render(scope, rendering)) };
}

function renderTarget(target: TransferConfig['target'], scope: Scope, rendering: Rendering, policy: SqlPolicy): TransferTarget {
  if (target.type === 'unsupported') throw new StepFailure('unsupported_transfer', target.message, { retryable: false });
  const place = renderPlace(target.place, scope, rendering);
  const { into } = target;
  if (into.kind === 'query') {
    const statement = single(into.command.render(scope, rendering, into.parameters, policy));
    return { ...place, into: 'query', statement, by: into.by };
  }
  const word = into.mode.render(scope, rendering);
  const mode = typeof word === 'string' && Object.hasOwn(MODES, word.trim().toLowerCase()) ? MODES[word.trim().toLowerCase()] : undefined;
  if (mode === undefined) throw refused('mode of a transfer is one of append, insert, replace, upsert');
  const rendered = into.key.render(scope, rendering);
  const key = (Array.isArray(rendered) ? rendered : rendered === null ? [] : [rendered]).map((column) => textField(column, 'key'));
  if (mode === 'upsert' && key.length === 0) throw refused('A transfer with mode upsert needs a key');
  return { ...place, into: 'table', table: textField(into.table.render(scope, rendering), 'table'), mode, key };
}

type Place = { readonly type: 'postgres'; readonly connection: JsonObject } | { readonly type: 'duckdb'; readonly database: string | null };

function renderPlace(place: PlaceConfig, scope: Scope, rendering: Rendering): Place {
  if (place.type === 'duckdb') return { type: 'duckdb', database: databaseName(place.database.render(scope, rendering)) };
  return { type: 'postgres', connection: renderConnection(place.connection, {}, scope, rendering) };
}

function single([statement, ...others]: readonly SqlStatement[]): SqlStatement {
  if (statement === undefined || others.length > 0) throw refused('The query of a transfer is one statement');
  return statement;
}

function mappingOf(rendered: Json): [string, string][] | null {
  if (rendered === null || (isObject(rendered) && Object.keys(rendered).length === 0)) return null;
  if (!isObject(rendered)) throw refused('mapping of a transfer is a mapping of target columns to source fields');
  return Object.entries(rendered).map(([column, field]) => [column, textField(field, `mapping.${column}`)]);
}

function chunkSizeOf(rendered: Json): number {
  const size = typeof rendered === 'number' || (typeof rendered === 'string' && /^\d+$/.test(rendered.trim())) ? Number(rendered) : 0;
  if (!Number.isInteger(size) || size < 1 || size > MAX_CHUNK) throw refused(`chunk_size of a transfer is a number from 1 to ${MAX_CHUNK}`);
  return size;
}

/** `data.items`, `$.data[0].items`: keys and indexes. */
export function pathOf(rendered: Json): string[] {
  if (rendered === null || rendered === '') return [];
  if (typeof rendered !== 'string') throw refused('data_path of a transfer is a path like data.items');
  return rendered
    .trim()
    .replace(/^\$/, '')
    .split(/[.[\]]+/)
    .filter((part) => part !== '');
}

function textField(value: Json, name: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value.trim();
  throw refused(`${name} of the transfer is empty or not a text`);
}

function refused(message: string): StepFailure {
  return new StepFailure('invalid_transfer', message, { retryable: false });
}
