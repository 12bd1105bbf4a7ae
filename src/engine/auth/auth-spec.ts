import { EngineError } from '../engine-error.js';
import { type ErrorCode } from '../error-codes.js';
import { isObject, type Json, type JsonObject, own } from '../values.js';

/** Where an alias gets its fields from. */
export type AuthSource = 'credential' | 'secret' | 'env' | 'inline';

/** One alias of an `auth`, in canonical form: plain JSON whose texts may be templates. */
export interface AuthEntry extends JsonObject {
  alias: string;
  source: AuthSource;
  /** Name of the credential, secret or variable; null for inline fields. */
  name: string | null;
  /** What kind of credential is meant; null: whatever is stored under the name. */
  type: string | null;
  /** Inline fields, or overrides laid over the stored ones. */
  fields: JsonObject;
}

export interface AuthSpec {
  readonly entries: readonly AuthEntry[];
  /** One credential without an alias of its own: templates may name it by any. */
  readonly single: boolean;
}

/** Keys that make a mapping one credential instead of a map of aliases (playbook language §10.2). */
const SINGLE_KEYS: readonly string[] = [
  ...['type', 'key', 'credential', 'source', 'name', 'service', 'env', 'inline', 'secret', 'fields', 'scope', 'provider'],
];
const SOURCES: Readonly<Record<string, AuthSource>> = {
  credential: 'credential',
  credential_store: 'credential',
  secret: 'secret',
  secret_manager: 'secret',
  env: 'env',
  inline: 'inline',
};
/** Words that say where, and are no fields. */
const CONTROL: ReadonlySet<string> = new Set(['type', 'key', 'credential', 'source', 'env', 'inline', 'secret', 'fields', 'provider']);

/** Reads the three forms of `auth`; null where there is none. Throws EngineError whose pointers are relative to it. */
export function normaliseAuth(raw: Json): AuthSpec | null {
  if (raw === null) return null;
  if (typeof raw === 'string') return { entries: [named('auth', raw, '')], single: true };
  if (!isObject(raw)) throw invalid('', 'auth must be the name of a credential or a mapping');
  if (Object.keys(raw).length === 0) return null;
  if (isSingle(raw)) return { entries: [entryOf('', raw, '')], single: true };
  const entries = Object.entries(raw).map(([alias, value]) => {
    const pointer = `/${alias.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (typeof value === 'string') return named(alias, value, pointer);
    if (isObject(value)) return entryOf(alias, value, pointer);
    throw invalid(pointer, `the alias ${alias} must be the name of a credential or a mapping`);
  });
  return { entries, single: false };
}

/** Handles of the document: `credentials: [{name, as}]` or a map of aliases, and `keychain: [{name, kind, …}]`. */
export function normaliseHandles(credentials: Json, keychain: Json): AuthEntry[] {
  return [...documentCredentials(credentials), ...keychainEntries(keychain)];
}

function documentCredentials(raw: Json): AuthEntry[] {
  if (raw === null) return [];
  if (isObject(raw)) return isSingle(raw) ? [entryOf('', raw, '/credentials')] : [...(normaliseAuth(raw)?.entries ?? [])];
  if (!Array.isArray(raw)) throw invalid('/credentials', 'credentials must be a list of {name, as} or a map of aliases');
  return raw.map((item, index) => {
    const pointer = `/credentials/${index}`;
    if (typeof item === 'string') return named(item, item, pointer);
    if (!isObject(item)) throw invalid(pointer, 'a credential is a name or a mapping {name, as}');
    const { as, ...rest } = item;
    const alias = textOf(as) ?? textOf(rest['name']) ?? textOf(rest['key']) ?? textOf(rest['credential']) ?? '';
    return entryOf(alias, rest, pointer);
  });
}

function keychainEntries(raw: Json): AuthEntry[] {
  if (raw === null) return [];
  if (!Array.isArray(raw)) throw invalid('/keychain', 'keychain must be a list of {name, kind, …}');
  return raw.map((item, index): AuthEntry => {
    const pointer = `/keychain/${index}`;
    if (!isObject(item)) throw invalid(pointer, 'an entry of the keychain is a mapping with name and kind');
    const alias = textOf(item['name']);
    if (alias === null) throw invalid(`${pointer}/name`, 'an entry of the keychain needs a name', 'missing_field');
    const kind = (textOf(item['kind']) ?? 'credential').toLowerCase();
    const map = firstMapping(item['map'], item['data'], item['inline'], item['value']);
    switch (kind) {
      case 'static':
        return { alias, source: 'inline', name: null, type: textOf(item['type']), fields: map };
      case 'credential':
      case 'credential_store': {
        const name = textOf(item['credential']) ?? textOf(item['key']) ?? textOf(item['auth']) ?? alias;
        return { alias, source: 'credential', name, type: textOf(item['type']), fields: {} };
      }
      case 'secret':
      case 'secret_manager':
        return {
          alias,
          source: 'secret',
          name: textOf(item['secret']) ?? textOf(item['key']) ?? alias,
          type: textOf(item['type']),
          fields: map,
        };
      default:
        throw invalid(
          `${pointer}/kind`,
          `keychain entries of kind ${kind} would mint tokens, which is not supported; use static, credential or secret_manager`,
          'unsupported_construct',
        );
    }
  });
}

function firstMapping(...values: readonly (Json | undefined)[]): JsonObject {
  return values.find((value): value is JsonObject => value !== undefined && isObject(value)) ?? {};
}

function isSingle(raw: JsonObject): boolean {
  return Object.entries(raw).some(([key, value]) => SINGLE_KEYS.includes(key) && value !== null && typeof value !== 'object');
}

function named(alias: string, name: string, pointer: string): AuthEntry {
  if (name.trim() === '') throw invalid(pointer, 'auth names no credential');
  return { alias, source: 'credential', name: name.trim(), type: null, fields: {} };
}

function entryOf(alias: string, raw: JsonObject, pointer: string): AuthEntry {
  const word = textOf(own(raw, 'source')) ?? textOf(own(raw, 'provider'));
  const said = word !== null && Object.hasOwn(SOURCES, word.toLowerCase()) ? SOURCES[word.toLowerCase()]! : null;
  if (word !== null && said === null)
    throw invalid(
      `${pointer}/${'source' in raw ? 'source' : 'provider'}`,
      `"${word}" is not one of ${Object.keys(SOURCES).join(', ')}`,
      'invalid_value',
    );
  const type = textOf(own(raw, 'type'));
  const inline = own(raw, 'inline') ?? null;
  if (inline !== null && !isObject(inline)) throw invalid(`${pointer}/inline`, 'inline must be a mapping of fields');
  const overrides = own(raw, 'fields') ?? null;
  if (overrides !== null && !isObject(overrides)) throw invalid(`${pointer}/fields`, 'fields must be a mapping');
  // {type: header, name, value} says name and value of a header; elsewhere name is one more word for the credential.
  const hasValue = own(raw, 'value') !== undefined;
  const source = said ?? (inline !== null ? 'inline' : 'env' in raw ? 'env' : 'secret' in raw ? 'secret' : null);
  // `key` of an api_key is the header where the value stands beside it.
  const name =
    source === 'env' && textOf(own(raw, 'env')) !== null
      ? textOf(own(raw, 'env'))
      : source === 'secret' && textOf(own(raw, 'secret')) !== null
        ? textOf(own(raw, 'secret'))
        : hasValue
          ? textOf(own(raw, 'credential'))
          : (textOf(own(raw, 'key')) ?? textOf(own(raw, 'credential')) ?? textOf(own(raw, 'name')));
  const rest = Object.entries(raw).filter(([key]) => !CONTROL.has(key) && !(key === 'name' && !hasValue));
  const keyOfHeader: JsonObject = hasValue && own(raw, 'key') !== undefined ? { key: raw['key']! } : {};
  const fields: JsonObject = { ...Object.fromEntries(rest), ...keyOfHeader, ...(inline ?? {}), ...(overrides ?? {}) };
  const found = source ?? (name !== null ? 'credential' : 'inline');
  if (found !== 'inline' && name === null)
    throw invalid(
      pointer,
      `auth${alias === '' ? '' : ` ${alias}`} names no credential (key, credential, env, secret or inline)`,
      'missing_field',
    );
  if (found === 'inline' && Object.keys(fields).length === 0)
    throw invalid(pointer, `auth${alias === '' ? '' : ` ${alias}`} names no credential and has no fields`, 'missing_field');
  return { alias: alias === '' ? (type ?? 'auth') : alias, source: found, name: found === 'inline' ? null : name, type, fields };
}

function textOf(value: Json | undefined): string | null {
  if (typeof value === 'string') return value.trim() === '' ? null : value.trim();
  return typeof value === 'number' ? String(value) : null;
}

function invalid(pointer: string, message: string, code: ErrorCode = 'invalid_type'): EngineError {
  return new EngineError('invalid', 'invalid_document', message, [{ code, message, pointer }]);
}
