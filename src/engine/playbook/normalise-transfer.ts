import { isObject, type Json, type JsonObject, own } from '../values.js';
import { type Findings } from './findings.js';
import { textOf } from './normalise-values.js';
import { at } from './source-positions.js';

/** What a side of a transfer may be, and whether it runs here. */
const SIDES: Readonly<Record<'source' | 'target', Readonly<Record<string, boolean>>>> = {
  source: { http: true, postgres: true, duckdb: true, snowflake: false },
  target: { postgres: true, duckdb: true, snowflake: false },
};

/**
 * Both sides of a transfer in one form: `type` (or `tool`) as a lower-case word, and the `auth` of the sides as aliases `source` and `target` of
 * the action's own. An `auth` of the step counts for sides that have none, but for an HTTP source where it is the login of the target; a side may
 * name an alias of it.
 * @returns the fields of the action, and its auth
 */
export function transferSides(fields: JsonObject, auth: Json, pointer: string, findings: Findings): { fields: JsonObject; auth: Json } {
  const found: JsonObject = { ...fields };
  const aliases: JsonObject = {};
  for (const side of ['source', 'target'] as const) {
    const raw = own(fields, side) ?? null;
    if (raw === null) continue; // a finding already
    if (!isObject(raw)) {
      if (typeof raw === 'string') findings.error('invalid_type', at(pointer, side), `"${side}" of a transfer must be a mapping.`);
      continue;
    }
    const { auth: ownAuth, credential, tool, type, ...rest } = raw;
    const word = (textOf(type ?? tool ?? null) ?? '').toLowerCase();
    checkWord(side, word, at(pointer, side), findings);
    found[side] = { ...rest, type: word };
    if (word === 'duckdb') continue; // a file here, which nobody logs in to
    const sideOwn = ownAuth ?? credential ?? null;
    if (word === 'http' && sideOwn === null && isLoginOf(own(fields, 'target'), auth)) continue;
    const given = sideAuth(sideOwn, auth);
    if (given === 'ambiguous')
      findings.error(
        'ambiguous_field',
        at(pointer, side),
        `The step has several credentials; say in "auth" of the ${side} which is meant.`,
      );
    else if (given !== null) aliases[side] = given;
  }
  return { fields: found, auth: Object.keys(aliases).length > 0 ? aliases : null };
}

function checkWord(side: 'source' | 'target', word: string, pointer: string, findings: Findings): void {
  const known = SIDES[side];
  if (word === '') findings.error('missing_field', pointer, `The ${side} of a transfer needs "type": ${Object.keys(known).join(', ')}.`);
  else if (!Object.hasOwn(known, word))
    findings.error('invalid_value', at(pointer, 'type'), `The ${side} of a transfer is one of ${Object.keys(known).join(', ')}.`);
  else if (!known[word])
    findings.warn('unsupported_type', pointer, `A transfer with the ${side} ${word} is registered but cannot run here.`);
}

/** Whether what the step has for both sides is the login of this database: it says so, or has no other. */
function isLoginOf(target: Json | undefined, shared: Json): boolean {
  if (!isObject(target) || (textOf(target['type'] ?? target['tool'] ?? null) ?? '').toLowerCase() !== 'postgres') return false;
  const given = target['auth'] ?? target['credential'] ?? null;
  if (typeof given === 'string') return isObject(shared) && Object.hasOwn(shared, given.trim());
  return given === null && !['db_host', 'connection', 'db_conn_string'].some((name) => Object.hasOwn(target, name));
}

/** A name stands as `{key: name}`, because an alias that is a lone text would make the whole look like one credential. */
function sideAuth(given: Json, shared: Json): JsonObject | 'ambiguous' | null {
  if (typeof given === 'string') {
    const named = isObject(shared) ? own(shared, given.trim()) : undefined;
    return named === undefined ? { key: given } : sideAuth(named, null);
  }
  const auth = given ?? shared;
  if (typeof auth === 'string') return { key: auth };
  if (!isObject(auth) || Object.keys(auth).length === 0) return null;
  const entries = Object.entries(auth);
  const isMap = entries.every(([key, value]) => isObject(value) && key !== 'fields' && key !== 'inline');
  if (!isMap) return auth;
  return entries.length > 1 ? 'ambiguous' : (entries[0]![1] as JsonObject);
}
