import { type JsonObject, type Json } from '../values.js';

/** What is known of one credential type (playbook language §10.1). */
interface CredentialType {
  /** Each group is one mandatory thing under any of its names; the first is the canonical one. */
  readonly required: readonly (readonly string[])[];
  /** Other names of optional fields, canonical name first. */
  readonly optional?: readonly (readonly string[])[];
  /** The field that a lone secret text stands for. */
  readonly main: string;
  /** Types of one family may stand for each other. */
  readonly family: string;
}

const HMAC: CredentialType = {
  required: [
    ['key_id', 'access_key_id'],
    ['secret_key', 'secret_access_key', 'secret'],
  ],
  main: 'secret_key',
  family: 'object_storage',
};
const BEARER: CredentialType = { required: [['token', 'access_token']], main: 'token', family: 'bearer' };
const OAUTH: CredentialType = {
  required: [['client_id'], ['client_secret'], ['token_url', 'token_uri']],
  main: 'client_secret',
  family: 'oauth',
};

const TYPES: Readonly<Record<string, CredentialType>> = {
  postgres: {
    required: [
      ['db_host', 'host'],
      ['db_user', 'user', 'username'],
      ['db_password', 'password'],
      ['db_name', 'database', 'dbname'],
    ],
    optional: [
      ['db_port', 'port'],
      ['db_schema', 'schema'],
    ],
    main: 'db_password',
    family: 'postgres',
  },
  gcs: HMAC,
  gcs_hmac: HMAC,
  hmac: HMAC,
  s3: HMAC,
  bearer: BEARER,
  httpbearerauth: BEARER,
  token: BEARER,
  basic: { required: [['username', 'user'], ['password']], main: 'password', family: 'basic' },
  api_key: { required: [['value', 'api_key']], optional: [['header', 'key']], main: 'value', family: 'api_key' },
  header: { required: [], main: 'value', family: 'header' },
  oauth: OAUTH,
  oauth2_client_credentials: OAUTH,
  google_service_account: { required: [['client_email'], ['private_key']], main: 'private_key', family: 'google' },
  snowflake: { required: [['account'], ['user', 'username'], ['password']], main: 'password', family: 'snowflake' },
  vault: { required: [['address', 'url'], ['token']], main: 'token', family: 'vault' },
  aws: {
    required: [['access_key_id'], ['secret_access_key']],
    main: 'secret_access_key',
    family: 'aws',
  },
  azure: { required: [['tenant_id'], ['client_id'], ['client_secret'], ['vault_url']], main: 'client_secret', family: 'azure' },
  generic: { required: [], main: 'value', family: 'generic' },
};

/** Every type that can be stored, lower case. */
export const CREDENTIAL_TYPES: readonly string[] = Object.keys(TYPES);

/** Words that end the name of a field or key whose value is secret (playbook language §10.4). */
const SECRET_ENDINGS =
  /(?:^|_)(?:password|passwd|secret|token|authorization|api_key|apikey|access_key|secret_key|private_key|credentials?|dsn|connection_string|cookie)$/;
/** Fields that are never secret although their names end so. */
const NEVER_SECRET: ReadonlySet<string> = new Set(['key_id', 'access_key_id', 'secret_name', 'token_url', 'token_uri', 'header', 'name']);
/** Fields of generic credentials that are not secret. */
const PLAIN: ReadonlySet<string> = new Set([
  'host',
  'port',
  'user',
  'username',
  'database',
  'dbname',
  'schema',
  'sslmode',
  'region',
  'endpoint',
  'scope',
  'service',
  'url',
  'account',
]);

/** A name in words joined by `_`: dbPassword, DB-PASSWORD and db_password are one. */
export function wordsOf(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toLowerCase();
}

/** Whether values below this key are masked on their way out. */
export function isSecretKey(name: string): boolean {
  const words = wordsOf(name);
  return SECRET_ENDINGS.test(words) || /(?:^|_)key_id$/.test(words);
}

/** Whether the value of a credential's field is secret: redacted wherever it appears. Hosts, users, regions and names of headers never are. */
export function isSecretField(type: string, field: string): boolean {
  const words = wordsOf(field);
  if (type === 'header' && !Object.hasOwn({ name: 1, scope: 1 }, words)) return true;
  if (NEVER_SECRET.has(words)) return false;
  if (type === 'api_key') return words === 'value' || words === 'api_key';
  if (words === 'secret_access_key' || words === 'session_token' || words === 'connection' || words === 'db_conn_string') return true;
  return SECRET_ENDINGS.test(words) || (words === 'value' && !PLAIN.has(words));
}

export const isKnownType = (type: string): boolean => Object.hasOwn(TYPES, type.toLowerCase());

/** True where a credential of the type `actual` does for an alias that asks for `wanted`; unknown words ask for nothing. */
export function typeFits(wanted: string, actual: string): boolean {
  const [want, have] = [wanted.toLowerCase(), actual.toLowerCase()];
  if (want === have || !isKnownType(want) || have === 'generic') return true;
  return isKnownType(have) && TYPES[want]!.family === TYPES[have]!.family;
}

/** The field that a lone text stands for: `{type: bearer, env: NAME}` gives `token`. */
export const mainField = (type: string | null): string => (type !== null && isKnownType(type) ? TYPES[type.toLowerCase()]!.main : 'value');

/** Mandatory fields that are missing, each under its canonical name. */
export function missingFields(type: string, data: JsonObject): string[] {
  const found = isKnownType(type) ? TYPES[type.toLowerCase()] : undefined;
  const lacks = (names: readonly string[]): boolean => names.every((name) => isAbsent(data[name]));
  const missing = (found?.required ?? []).filter(lacks).map((names) => names[0]!);
  if (type.toLowerCase() === 'header' && Object.keys(data).length === 0) return ['name', 'value'];
  return missing;
}

const isAbsent = (value: Json | undefined): boolean => value === undefined || value === null || value === '';

/** The fields with every name they go by in older documents, so that steps and templates may use any of them. */
export function withAllNames(type: string, data: JsonObject): JsonObject {
  const found = isKnownType(type) ? TYPES[type.toLowerCase()] : undefined;
  if (!found) return data;
  const all: JsonObject = { ...data };
  for (const names of [...found.required, ...(found.optional ?? [])]) {
    const given = names.find((name) => !isAbsent(data[name]));
    if (given !== undefined) for (const name of names) all[name] ??= data[given]!;
  }
  return all;
}
