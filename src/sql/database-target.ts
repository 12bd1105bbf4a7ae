import { type DatabaseTarget, type SslMode } from '../engine/database-port.js';
import { StepFailure } from '../engine/step-executor.js';
import { isObject, type Json, type JsonObject, own } from '../engine/values.js';

const HOST = /^[A-Za-z0-9_.:-]{1,255}$/;
const SSL_MODES: Readonly<Record<string, SslMode>> = {
  disable: 'disable',
  allow: 'prefer',
  prefer: 'prefer',
  require: 'require',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
};

/** Names that the parts of a connection go by, in credentials and in fields of steps; the first that is given counts. */
const NAMES = {
  address: ['connection', 'db_conn_string', 'connection_string', 'dsn'],
  host: ['db_host', 'host'],
  port: ['db_port', 'port'],
  user: ['db_user', 'user', 'username'],
  password: ['db_password', 'password'],
  database: ['db_name', 'database', 'dbname'],
  schema: ['db_schema', 'schema'],
  sslMode: ['sslmode', 'ssl_mode'],
  sslRootCertificate: ['sslrootcert'],
} as const;

/** Fields of a step or of its inputs that say where to go. */
export const CONNECTION_FIELDS: readonly string[] = ['connection', 'db_conn_string', ...['host', 'port', 'user', 'password', 'name', 'schema'].map((part) => `db_${part}`), 'sslmode']; // prettier-ignore

/**
 * Reads where to connect. A connection text (postgresql://… or `host=… port=…`) gives what single fields do not.
 * Throws StepFailure `invalid_connection`; its message names fields, never what they hold.
 */
export function databaseTarget(fields: JsonObject): DatabaseTarget {
  const given = { ...addressFields(first(fields, NAMES.address)), ...withoutNulls(fields) };
  const text = (names: readonly string[]): string | null => textOf(first(given, names), names[0]!);
  const host = text(NAMES.host);
  const user = text(NAMES.user);
  if (host === null) throw invalid('The connection has no host');
  if (!HOST.test(host)) throw invalid('The host of the connection is neither a name nor an address');
  if (user === null) throw invalid('The connection has no user');
  const sslMode = (text(NAMES.sslMode) ?? 'prefer').toLowerCase();
  if (!Object.hasOwn(SSL_MODES, sslMode)) throw invalid(`sslmode is one of ${Object.keys(SSL_MODES).join(', ')}`);
  return {
    host,
    port: portOf(text(NAMES.port)),
    user,
    password: text(NAMES.password) ?? '',
    database: text(NAMES.database) ?? user,
    schema: text(NAMES.schema),
    sslMode: SSL_MODES[sslMode]!,
    sslRootCertificate: text(NAMES.sslRootCertificate),
  };
}

function portOf(text: string | null): number {
  if (text === null) return 5432;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw invalid('The port of the connection is not a number from 1 to 65535');
  return port;
}

/** A connection may also be a mapping of the same fields. */
function addressFields(address: Json | undefined): JsonObject {
  if (address === undefined || address === null || address === '') return {};
  if (isObject(address)) return withoutNulls(address);
  if (typeof address !== 'string') throw invalid('connection is a text or a mapping');
  return /^postgres(?:ql)?:\/\//i.test(address.trim()) ? urlFields(address.trim()) : wordFields(address);
}

function urlFields(address: string): JsonObject {
  const url = URL.parse(address);
  if (!url || url.hostname === '') throw invalid('The connection text is not an address with one host');
  const decoded = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw invalid('The connection text is not percent-encoded correctly');
    }
  };
  const fields: JsonObject = { host: decoded(url.hostname).replace(/^\[(.*)\]$/, '$1') };
  if (url.port !== '') fields['port'] = url.port;
  if (url.username !== '') fields['user'] = decoded(url.username);
  if (url.password !== '') fields['password'] = decoded(url.password);
  if (url.pathname.length > 1) fields['database'] = decoded(url.pathname.slice(1));
  const sslMode = url.searchParams.get('sslmode');
  if (sslMode !== null) fields['sslmode'] = sslMode;
  return fields;
}

/** libpq's other form: host=a port=5432 password='it\'s'. */
function wordFields(address: string): JsonObject {
  const fields: JsonObject = {};
  const word = /\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\[\s\S])*)'|((?:[^\s'\\]|\\[\s\S])*))(?=\s|$)/y;
  while (word.lastIndex < address.trimEnd().length) {
    const [, name, quoted, plain] = word.exec(address) ?? [];
    if (name === undefined) throw invalid('The connection text is neither postgresql://… nor a list of name=value');
    if (WORDS.has(name)) fields[name] = (quoted ?? plain ?? '').replace(/\\([\s\S])/g, '$1');
  }
  return fields;
}
/** No names of files: what this machine holds is not the playbook's. */
const WORDS: ReadonlySet<string> = new Set(['host', 'port', 'user', 'password', 'dbname', 'sslmode']);

function first(fields: JsonObject, names: readonly string[]): Json | undefined {
  for (const name of names) {
    const value = own(fields, name);
    if (value !== undefined && value !== null && value !== '') return value;
  }
  return undefined;
}

function withoutNulls(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== ''));
}

function textOf(value: Json | undefined, name: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw invalid(`${name} is not a text`);
}

function invalid(message: string): StepFailure {
  return new StepFailure('invalid_connection', message, { retryable: false });
}
