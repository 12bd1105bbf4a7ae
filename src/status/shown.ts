import { isSecretKey, wordsOf } from '../engine/auth/credential-types.js';
import { maskMarkers, REDACTED } from '../engine/auth/secret-markers.js';
import { type Json } from '../engine/values.js';

/** Names are few and come again and again. */
const MOST_NAMES = 10_000;
const verdicts = new Map<string, 'open' | 'secret' | 'address'>();

/**
 * A value as clients see it: what stands below a name such as `password` or `api_key` is masked, and so are the places of secrets (playbook
 * language §10.4). Only on the way out: what is stored stays as it is. Shares whatever has nothing to hide.
 */
export function shown<T extends Json>(value: T): T {
  return masked(value) as T;
}

/** The JSON text of a value as it is shown; most have nothing to hide, and are sent as they are stored. */
export function shownText(text: string): string {
  const value = JSON.parse(text) as Json;
  const seen = shown(value);
  return seen === value ? text : JSON.stringify(seen);
}

function masked(value: Json): Json {
  if (typeof value === 'string') return maskMarkers(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    let list: Json[] | null = null;
    value.forEach((item, index) => {
      const seen = masked(item);
      if (seen !== item) (list ??= [...value])[index] = seen;
    });
    return list ?? value;
  }
  let changed: Record<string, Json> | null = null;
  for (const key of Object.keys(value)) {
    const item = value[key]!;
    const seen = maskedUnder(key, item);
    if (seen !== item) (changed ??= { ...value })[key] = seen;
  }
  return changed ?? value;
}

function maskedUnder(key: string, item: Json): Json {
  const verdict = verdictOf(key);
  if (verdict === 'open') return masked(item);
  // Whether something is there may be seen, and so may switches.
  if (item === null || item === '' || typeof item === 'boolean') return item;
  if (verdict === 'address' && typeof item === 'string') return withoutPassword(item);
  return Array.isArray(item) && item.length === 0 ? item : REDACTED;
}

function verdictOf(key: string): 'open' | 'secret' | 'address' {
  let verdict = verdicts.get(key);
  if (verdict === undefined) {
    verdict = !isSecretKey(key) ? 'open' : /(?:^|_)(?:dsn|connection_string)$/.test(wordsOf(key)) ? 'address' : 'secret';
    if (verdicts.size < MOST_NAMES) verdicts.set(key, verdict);
  }
  return verdict;
}

/** Host, port and database stay readable. */
function withoutPassword(address: string): string {
  if (!URL.canParse(address)) return REDACTED;
  const url = new URL(address);
  if (url.password === '') return url.searchParams.has('password') ? REDACTED : maskMarkers(address);
  url.password = 'REDACTED';
  return url.href.replace(':REDACTED@', `:${REDACTED}@`);
}
