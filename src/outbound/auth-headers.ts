import { type ResolvedCredential, StepFailure } from '../engine/step-executor.js';
import { type Json, own } from '../engine/values.js';
import { isHeaderName } from './http-words.js';

const BEARER: ReadonlySet<string> = new Set(['bearer', 'httpbearerauth', 'token', 'generic']);
const EXCHANGED: ReadonlySet<string> = new Set(['oauth', 'oauth2_client_credentials', 'google_service_account', 'azure']);
/** What describes a header credential, and is no header itself. */
const NO_HEADERS: ReadonlySet<string> = new Set(['name', 'value', 'scope', 'service', 'secret_name']);

/**
 * The headers that credentials stand for (playbook language §10.3), all aliases together; of two that want the same header the first counts.
 * Throws StepFailure, whose messages never hold a value.
 */
function authHeaders(auth: ReadonlyMap<string, ResolvedCredential>): Record<string, string> {
  const headers = new Map<string, readonly [string, string]>();
  for (const credential of auth.values()) {
    for (const [name, value] of headersOf(credential)) {
      if (!isHeaderName(name)) throw refused(credential, 'names a header that HTTP does not allow');
      if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) throw refused(credential, `has a value that the header ${name} cannot hold`);
      if (!headers.has(name.toLowerCase())) headers.set(name.toLowerCase(), [name, value]);
    }
  }
  return Object.fromEntries(headers.values());
}

/** Headers with those that credentials stand for; what the author writes counts before. Throws StepFailure. */
export function withAuth(headers: Record<string, string>, auth: ReadonlyMap<string, ResolvedCredential>): Record<string, string> {
  if (auth.size === 0) return headers;
  const written = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  return { ...Object.fromEntries(Object.entries(authHeaders(auth)).filter(([name]) => !written.has(name.toLowerCase()))), ...headers };
}

function headersOf(credential: ResolvedCredential): (readonly [string, string])[] {
  const { type } = credential;
  if (EXCHANGED.has(type)) return [['Authorization', `Bearer ${fieldOf(credential, 'access_token')}`]];
  if (BEARER.has(type)) return [['Authorization', `Bearer ${fieldOf(credential, 'token', 'access_token', 'value')}`]];
  if (type === 'basic') {
    const pair = `${fieldOf(credential, 'username', 'user')}:${fieldOf(credential, 'password')}`;
    return [['Authorization', `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`]];
  }
  if (type === 'api_key') {
    return [[optionalField(credential, 'header', 'key') ?? 'X-API-Key', fieldOf(credential, 'value', 'api_key')]];
  }
  if (type === 'header') return headerFields(credential);
  throw refused(credential, `is of type ${type}, which http steps cannot use`);
}

function headerFields(credential: ResolvedCredential): (readonly [string, string])[] {
  const name = optionalField(credential, 'name');
  const named = name === null ? [] : [[name, fieldOf(credential, 'value')] as const];
  const mapped = Object.entries(credential.fields).flatMap(([key, value]) => {
    const text = NO_HEADERS.has(key) ? null : textOf(value);
    return text === null ? [] : [[key, text] as const];
  });
  if (named.length + mapped.length === 0) throw refused(credential, 'names no header');
  return [...named, ...mapped];
}

function fieldOf(credential: ResolvedCredential, ...names: readonly string[]): string {
  const value = optionalField(credential, ...names);
  if (value !== null) return value;
  throw new StepFailure('missing_credential_field', `The credential of auth ${credential.alias} has no field ${names[0] ?? ''}.`, {
    retryable: false,
  });
}

function optionalField({ fields }: ResolvedCredential, ...names: readonly string[]): string | null {
  for (const name of names) {
    const text = textOf(own(fields as Record<string, Json>, name) ?? null);
    if (text !== null) return text;
  }
  return null;
}

function textOf(value: Json): string | null {
  if (typeof value === 'string') return value.trim() === '' ? null : value.trim();
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

function refused({ alias }: ResolvedCredential, what: string): StepFailure {
  return new StepFailure('unsupported_auth', `The credential of auth ${alias} ${what}.`, { retryable: false });
}
