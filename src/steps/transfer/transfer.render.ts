import { type SqlPolicy } from '../../engine/database-port.js';
import { StepFailure } from '../../engine/step-executor.js';
import { type Rendering } from '../../engine/template/rendering.js';
import { type Scope } from '../../engine/template/scope.js';
import { isObject, type Json } from '../../engine/values.js';
import { methodOf, splitInputs, targetOf } from '../../outbound/http-request.js';
import { renderConnection } from '../../sql/connection-config.js';
import { type TransferConfig } from './transfer.config.js';
import { type TransferMode, type TransferRequest } from './transfer.request.js';

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
    target: renderTarget(target, scope, rendering),
    mapping: mappingOf(config.mapping.render(scope, rendering)),
    chunk_size: chunkSizeOf(config.chunkSize.render(scope, rendering)),
  };
}

function renderSource(source: TransferConfig['source'], scope: Scope, rendering: Rendering, policy: SqlPolicy): TransferRequest['source'] {
  if (source.type === 'unsupported') throw new StepFailure('unsupported_transfer', source.message, { retryable: false });
  if (source.type === 'postgres') {
    const connection = renderConnection(source.connection, {}, scope, rendering);
    const [statement, ...others] = source.command.render(scope, rendering, source.parameters.render(scope, rendering), policy);
    if (statement === undefined || others.length > 0) throw refused('The query of a transfer is one statement');
    return { type: 'postgres', connection, statement };
  }
  const method = methodOf(source.method.render(scope, rendering));
  const inputs = source.inputs.render(scope, rendering);
  const given = isObject(inputs) ? Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== null)) : {};
  const call = { ...targetOf(source, scope, rendering), method, ...splitInputs(method, given) };
  return { type: 'http', call, data_path: pathOf(source.dataPath.render(scope, rendering)) };
}

function renderTarget(target: TransferConfig['target'], scope: Scope, rendering: Rendering): TransferRequest['target'] {
  if (target.type === 'unsupported') throw new StepFailure('unsupported_transfer', target.message, { retryable: false });
  const word = target.mode.render(scope, rendering);
  const mode = typeof word === 'string' && Object.hasOwn(MODES, word.trim().toLowerCase()) ? MODES[word.trim().toLowerCase()] : undefined;
  if (mode === undefined) throw refused('mode of a transfer is one of append, insert, replace, upsert');
  const rendered = target.key.render(scope, rendering);
  const key = (Array.isArray(rendered) ? rendered : rendered === null ? [] : [rendered]).map((column) => textField(column, 'key'));
  if (mode === 'upsert' && key.length === 0) throw refused('A transfer with mode upsert needs a key');
  return {
    connection: renderConnection(target.connection, {}, scope, rendering),
    table: textField(target.table.render(scope, rendering), 'table'),
    mode,
    key,
  };
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
