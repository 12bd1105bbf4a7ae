import { isObject, type Json, type JsonObject } from '../values.js';
import { type Findings } from './findings.js';
import { type Field, Mapping } from './mapping.js';
import { authOf, decodeBase64 } from './normalise-common.js';
import { isTemplate, textOf } from './normalise-values.js';
import { type Save } from './playbook.js';
import { at } from './source-positions.js';

/** Keys of a save, in all spellings: what a `type: save` step may carry itself. */
export const SAVE_KEYS: readonly string[] = [
  ...[
    'storage',
    'on',
    'data',
    'args',
    'params',
    'table',
    'mode',
    'key',
    'keys',
    'statement',
    'sql',
    'query',
    'commands',
    'command',
    'endpoint',
    'url',
  ],
  ...['method', 'headers', 'code', 'code_b64', 'spec', 'format', 'batch', 'chunk_size', 'concurrency', 'credentialRef', 'with', 'input'],
];

const STORAGE_ALIASES: Readonly<Record<string, string>> = { '': 'event_log', event: 'event_log', variable: 'variables' };
const STORAGES: readonly string[] = ['event_log', 'variables', 'postgres', 'duckdb', 'http', 'python'];
/** Documented words without an executor; registrable with a warning. */
const LATER_STORAGES: readonly string[] = ['file', 'kv', 'vector', 'graph', 's3', 'gcs', 'bigquery', 'snowflake'];
const MODE_ALIASES: Readonly<Record<string, string>> = { insert: 'append', replace: 'overwrite' };
const MODES: readonly string[] = ['append', 'upsert', 'update', 'overwrite'];

/** `save` or `sink`: one mapping or a list, flat or with a nested `storage`. */
export function normaliseSaves(field: Field | null, findings: Findings): Save[] {
  if (!field || field.value === null) return [];
  const list = Array.isArray(field.value) ? field.value.map((value, index) => ({ value, pointer: at(field.pointer, index) })) : [field];
  return list.flatMap(({ value, pointer }) => {
    if (isObject(value)) return [normaliseSave(Mapping.of(value, pointer), findings)];
    findings.error('invalid_type', pointer, `${field.key} must be a mapping or a list of mappings.`);
    return [];
  });
}

/** One save. What `storage` holds as a mapping wins over what stands beside it. */
export function normaliseSave(outer: Mapping, findings: Findings): Save {
  const place = outer.take('storage');
  const nested = place && isObject(place.value) ? Mapping.of(place.value, place.pointer) : null;
  const mapping = nested ? nested.over(outer) : outer;
  const word = nested ? mapping.take('type', 'kind', 'tool', 'storage') : place;
  if (word !== place || !place) mapping.ignore('type', 'kind', 'tool');
  const selector = word ?? mapping.take('type', 'tool', 'kind');
  const name = mapping.take('name', 'as');
  const storage = storageOf(selector, name !== null, findings);
  const statement = mapping.take('statement', 'sql', 'query');
  // With a statement, `params` are its binds; otherwise one more word for the data.
  const data = statement ? mapping.take('data', 'args', 'input', 'with') : mapping.take('data', 'args', 'params', 'input', 'with');
  const fields: JsonObject = {};
  const keep = (canonical: string, field: Field | null): void => {
    if (field && field.value !== null) fields[canonical] = field.value;
  };
  keep('table', mapping.take('table'));
  keep('mode', modeOf(mapping.take('mode'), findings));
  keep('key', keysOf(mapping.take('key', 'keys'), findings));
  keep('statement', statement);
  if (statement) keep('params', mapping.take('params'));
  keep('commands', mapping.take('commands', 'command'));
  keep('endpoint', mapping.take('endpoint', 'url'));
  keep('code', mapping.take('code') ?? decodeBase64(mapping.take('code_b64'), findings));
  for (const rest of ['method', 'headers', 'spec', 'format', 'batch', 'chunk_size', 'concurrency']) keep(rest, mapping.take(rest));
  const save: Save = {
    storage,
    when: mapping.take('when')?.value ?? null,
    on: onOf(mapping.take('on'), findings),
    name: name ? textOf(name.value) : null,
    data: data?.value ?? null,
    auth: authOf(mapping, findings, 'auth', 'credentialRef', 'credential', 'credentials'),
    onError: onErrorOf(mapping.take('on_error'), findings),
    fields,
  };
  mapping.ignore('desc', 'description', 'id');
  requireFields(save, mapping.pointer, findings);
  for (const { key, pointer } of mapping.remaining())
    findings.warn('unknown_field', pointer, `unknown key "${key}" in save; it has no effect`);
  return save;
}

function storageOf(selector: Field | null, named: boolean, findings: Findings): string {
  if (!selector || selector.value === null) return named ? 'variables' : 'event_log';
  const word = (textOf(selector.value) ?? '').toLowerCase();
  const storage = STORAGE_ALIASES[word] ?? word;
  if (typeof selector.value !== 'string' || isTemplate(selector.value) || ![...STORAGES, ...LATER_STORAGES].includes(storage))
    findings.error('invalid_value', selector.pointer, `A save goes to ${STORAGES.join(', ')}; not to "${word}".`);
  else if (LATER_STORAGES.includes(storage))
    findings.warn('unsupported_storage', selector.pointer, `Saves to ${storage} are registered but cannot be written here.`);
  return storage;
}

function modeOf(field: Field | null, findings: Findings): Field | null {
  if (!field || field.value === null || isTemplate(field.value)) return field;
  const word = (textOf(field.value) ?? '').toLowerCase();
  const mode = MODE_ALIASES[word] ?? word;
  if (!MODES.includes(mode))
    findings.error('invalid_value', field.pointer, `mode must be append, insert, upsert, update, overwrite or replace.`);
  return { ...field, value: mode };
}

function keysOf(field: Field | null, findings: Findings): Field | null {
  if (!field || field.value === null || isTemplate(field.value)) return field;
  const list = Array.isArray(field.value) ? field.value : [field.value];
  if (!list.every((item) => typeof item === 'string' && item !== ''))
    findings.error('invalid_type', field.pointer, 'key must be a column name or a list of them.');
  return { ...field, value: list };
}

function onOf(field: Field | null, findings: Findings): Save['on'] {
  const value: Json = field?.value ?? 'success';
  if (value === 'success' || value === 'error' || value === 'always') return value;
  findings.error('invalid_value', field?.pointer ?? '', 'on must be success, error or always.');
  return 'success';
}

function onErrorOf(field: Field | null, findings: Findings): Save['onError'] {
  const value: Json = field?.value ?? null;
  if (value === null || value === 'fail' || value === 'continue') return value;
  findings.error('invalid_value', field?.pointer ?? '', 'on_error of a save must be fail or continue.');
  return null;
}

/** What a save cannot do without. Templates may still supply a storage's other fields, so only plain gaps are errors. */
function requireFields({ storage, fields, name }: Save, pointer: string, findings: Findings): void {
  const missing = (what: string): void => findings.error('missing_field', pointer, `A save to ${storage} needs ${what}.`);
  if ((storage === 'postgres' || storage === 'duckdb') && !('table' in fields) && !('statement' in fields) && !('commands' in fields))
    missing('"table", "statement" or "commands"');
  if ((fields['mode'] === 'upsert' || fields['mode'] === 'update') && 'table' in fields && !('key' in fields))
    missing(`"key" for mode ${fields['mode']}`);
  if (storage === 'http' && !('endpoint' in fields)) missing('"endpoint"');
  if (storage === 'python' && !('code' in fields)) missing('"code"');
  if (storage === 'variables' && name === null)
    findings.warn('missing_field', pointer, 'A save to variables without "name" publishes the keys of its data.');
}
