import { DUCKDB_SESSION } from './duckdb-session-harness.js';
import { nodeHarness } from './node-harness.js';

/**
 * Runs one call after the other: opens the database, locks its configuration before any statement of the playbook, performs
 * them, closes it. Settings: {memoryLimit, threads, maxTempBytes, resultBytes, extensions: folder | null}.
 */
const INTERPRETER = String.raw`
const { settings } = workerData;
const duckdb = require(workerData.module);
const { mkdirSync, writeFileSync, existsSync } = require('node:fs');
const { DuckDBTypeId: Type, ResultReturnType: Returns } = duckdb;
const LOCK_WAIT_MS = 5000;
const LOCKED = /Could not set lock|Conflicting lock/;
const BUILT_IN = ['json', 'parquet', 'icu', 'core_functions'];
/** Begins or ends transactions itself, or reaches a second database, which one transaction cannot write beside the first. */
const ALONE = /^\s*(?:BEGIN|START|COMMIT|END|ABORT|ROLLBACK|ATTACH|DETACH|CHECKPOINT|FORCE|VACUUM)\b/i;
const BEGINS = /^\s*(?:BEGIN|START)\b/i;
const EXTENSION = /^\s*(?:FORCE\s+)?(INSTALL|LOAD)\s+['"]?([^\s'";]+)/i;
const ATTACH = /^\s*ATTACH\b/i;
const ATTACH_ALIAS = /^\s*ATTACH\s+(?:DATABASE\s+)?(?:IF\s+NOT\s+EXISTS\s+)?''\s+AS\s+(?:"[^"]+"|\w+)\s*\(\s*TYPE\s+postgres\s*,\s*SECRET\s+(?:"([^"]+)"|(\w+))\s*(?:,\s*READ_ONLY\s*)?(?:,\s*SCHEMA\s+'\w+'\s*)?\)\s*;?\s*$/i;
const NEEDS_EXTENSION = /exists in the \w+ extension|requires the extension|Loading external extensions is disabled|Missing Extension|try installing and loading/;

/** What a statement begins with, behind blanks and comments. */
const withoutLead = (text) => text.replace(/^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, '');
const quoted = (text) => "'" + String(text).replaceAll("'", "''") + "'";
const named = (text) => '"' + String(text).replaceAll('"', '""') + '"';

function number(text) {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : text;
}
/** Fifteen significant digits are what every double gives back. */
function decimal(text) {
  const digits = text.replace(/^-/, '').replace('.', '').replace(/^0+/, '');
  const significant = text.includes('.') ? digits.replace(/0+$/, '') : digits;
  return significant.length <= 15 ? Number(text) : text;
}
function parsed(text) {
  const exact = (_key, value, context) =>
    typeof value === 'number' && context?.source !== undefined && (Number.isInteger(value) ? !Number.isSafeInteger(value) : context.source.replace(/\D/g, '').length > 17) ? context.source : value;
  return JSON.parse(text, exact);
}
const moment = (text) => text.replace(/^(\d{4,}-\d\d-\d\d) /, '$1T').replace(/[+]00$/, 'Z').replace(/([+-]\d\d)$/, (zone) => (text.includes(':') && text.includes(' ') ? zone + ':00' : zone));

function json(value, type) {
  if (value === null || value === undefined) return null;
  switch (type.typeId) {
    case Type.BIGINT: case Type.UBIGINT: case Type.HUGEINT: case Type.UHUGEINT: case Type.BIGNUM: return number(String(value));
    case Type.FLOAT: case Type.DOUBLE: return Number.isFinite(value) ? value : String(value);
    case Type.DECIMAL: return decimal(value.toString());
    case Type.VARCHAR: if (type.alias !== 'JSON') return value; try { return parsed(value); } catch { return value; }
    case Type.BLOB: return Buffer.from(value.bytes).toString('base64');
    case Type.TIMESTAMP_TZ: return moment(value.toString());
    case Type.TIMESTAMP: case Type.TIMESTAMP_S: case Type.TIMESTAMP_MS: case Type.TIMESTAMP_NS: return value.toString().replace(/^(\d{4,}-\d\d-\d\d) /, '$1T');
    case Type.LIST: case Type.ARRAY: return value.items.map((item) => json(item, type.valueType));
    case Type.STRUCT: return Object.fromEntries(type.entryNames.map((name, index) => [name, json(value.entries[name], type.entryTypes[index])]));
    case Type.MAP: return Object.fromEntries(value.entries.map((entry) => [String(json(entry.key, type.keyType)), json(entry.value, type.valueType)]));
    default: return typeof value === 'object' ? value.toString() : value;
  }
}

function bound(value) {
  if (value === null) return [null, duckdb.SQLNULL];
  if (typeof value === 'boolean') return [value, duckdb.BOOLEAN];
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) return [value, duckdb.DOUBLE];
    return Math.abs(value) < 2 ** 31 ? [value, duckdb.INTEGER] : [BigInt(value), duckdb.BIGINT];
  }
  return [typeof value === 'string' ? value : JSON.stringify(value), duckdb.VARCHAR];
}

class Failed extends Error {
  constructor(code, message) { super(message); this.code = code; }
}

/** What DuckDB says, without what the values were: text in quotes stays only where the author wrote it. */
function withoutValues(message, own) {
  const [first] = message.split('\n');
  const shown = first.replace(/'([^']*)'|"([^"]*)"/g, (whole, a, b) => (own.includes(a ?? b) ? whole : "'…'"));
  return shown.length > 500 ? shown.slice(0, 500) + '…' : shown;
}

/** Paths and processes of this machine stay here. */
function unopened(message) {
  return LOCKED.test(message) ? 'another process has it open' : (/^[A-Za-z ]+ (?:Error|Exception)/.exec(message)?.[0] ?? 'it is no database of this version');
}

async function perform(connection, { text, values }, maxRows, room) {
  const pairs = values.map(bound);
  const result = await connection.stream(text, pairs.map(([value]) => value), pairs.map(([, type]) => type));
  const returns = result.returnType === Returns.QUERY_RESULT;
  const columns = result.columnNames(), types = result.columnTypes();
  const rows = [];
  let truncated = false, count = 0;
  for (;;) {
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) break;
    for (const row of chunk.getRows()) {
      if (!returns) { count = Number(row[0] ?? 0); continue; }
      if (rows.length >= maxRows) { truncated = true; break; }
      const found = {};
      columns.forEach((name, index) => Object.defineProperty(found, name, { value: json(row[index], types[index]), enumerable: true, configurable: true, writable: true }));
      rows.push(found);
      room.bytes -= JSON.stringify(found).length;
      if (room.bytes < 0) throw new Failed('result_too_large', 'The rows are more than a step may return');
    }
    if (truncated) break;
  }
  if (returns) return { columns, rows, truncated, rowCount: rows.length, message: '' };
  const changed = result.returnType === Returns.CHANGED_ROWS;
  return { columns: null, rows: [], truncated: false, rowCount: changed ? count : null, message: changed ? count + ' rows' : 'done' };
}

/** Whether a transaction is under way; it is rolled back then. */
function leftOpen(connection) {
  return connection.run('ROLLBACK').then(() => true, () => false);
}

/** Whoever had it before, here or on another node, may be about to let go: a process that was killed takes a moment to be gone. */
async function opened(file) {
  for (const until = performance.now() + LOCK_WAIT_MS; ; ) {
    try {
      return await duckdb.DuckDBInstance.create(file);
    } catch (error) {
      if (!LOCKED.test(error.message) || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function configure(connection, folder) {
  const set = [
    "TimeZone = 'UTC'", 'autoinstall_known_extensions = false', 'autoload_known_extensions = false', 'allow_community_extensions = false',
    'memory_limit = ' + quoted(settings.memoryLimit), 'threads = ' + settings.threads, 'temp_directory = ' + quoted(folder + '/temporary'),
    'max_temp_directory_size = ' + quoted(settings.maxTempBytes + 'B'), 'allow_persistent_secrets = false', 'secret_directory = ' + quoted(folder + '/secrets'),
    'extension_directory = ' + quoted(settings.extensions ?? folder + '/extensions'),
  ];
  for (const each of set) await connection.run('SET ' + each);
}

/** From here on no statement reaches anything but the files of the folder. */
async function lock(connection, folder) {
  await connection.run('SET allowed_directories = [' + quoted(folder + '/files/') + ']');
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
}

async function open(call, loaded) {
  const fresh = !existsSync(call.database);
  const instance = await opened(call.database);
  const connection = await instance.connect();
  await configure(connection, call.folder);
  if (settings.extensions) {
    const wanted = call.statements.map(({ head }) => EXTENSION.exec(head)?.[2].toLowerCase()).concat(call.secrets.map(({ type }) => (type === 'postgres' ? 'postgres' : 'httpfs')));
    for (const name of new Set(wanted)) {
      if (!/^[a-z0-9_]+$/.test(name ?? '') || BUILT_IN.includes(name)) continue;
      try { await connection.run('LOAD ' + name); loaded.add(name); } catch { /* the statement that needs it says so */ }
    }
    for (const { name, type, parameters } of call.secrets) {
      if (!loaded.has(type === 'postgres' ? 'postgres' : 'httpfs')) continue;
      const given = Object.entries(parameters).map(([key, value]) => ', ' + key + ' ' + quoted(value)).join('');
      await connection.run('CREATE OR REPLACE TEMPORARY SECRET ' + named(name) + ' (TYPE ' + type + given + ')');
    }
    // Only what was read: before the lock a statement reaches everything, and DuckDB may have another idea of where the comments before it end.
    for (const { head } of call.statements) {
      const alias = ATTACH_ALIAS.exec(head);
      if (alias && loaded.has('postgres') && call.secrets.some(({ name }) => name === (alias[1] ?? alias[2]))) await connection.run(head);
    }
  }
  await lock(connection, call.folder);
  return { instance, connection, fresh };
}

/** True: nothing is left to do for this statement. */
function isPrepared({ head }, call, loaded) {
  const extension = EXTENSION.exec(head);
  if (extension) {
    const name = extension[2].toLowerCase();
    if (BUILT_IN.includes(name) || loaded.has(name)) return true;
    throw new Failed('extension_unavailable', 'The extension ' + name.slice(0, 60) + ' is not available: whoever runs this service can provide it with DUCKDB_EXTENSION_DIR');
  }
  if (!ATTACH.test(head) || !/\bTYPE\b/i.test(head)) return false;
  const alias = ATTACH_ALIAS.exec(head);
  const known = alias && call.secrets.some(({ name }) => name === (alias[1] ?? alias[2]));
  if (known && loaded.has('postgres')) return true;
  if (/\bTYPE\s+(?:duckdb)\b/i.test(head)) return false;
  if (known || !settings.extensions) throw new Failed('extension_unavailable', 'ATTACH needs an extension that is not available: whoever runs this service can provide it with DUCKDB_EXTENSION_DIR');
  throw new Failed('outbound_blocked', "ATTACH reaches only what an alias of the step's auth names: ATTACH '' AS alias (TYPE postgres, SECRET alias)");
}

async function run(call) {
  mkdirSync(call.folder + '/files', { recursive: true });
  process.chdir(call.folder + '/files');
  for (const [name, text] of Object.entries(call.files)) writeFileSync(name, text, { flag: 'w' });
  for (const statement of call.statements) statement.head = withoutLead(statement.text);
  const loaded = new Set();
  const results = [];
  const room = { bytes: settings.resultBytes };
  const inOne = call.transaction && call.statements.length > 1 && !call.statements.some(({ head }) => ALONE.test(head));
  let database, at = 0;
  try {
    database = await open(call, loaded);
    const { connection } = database;
    if (inOne) await connection.run('BEGIN');
    for (; at < call.statements.length; at++) {
      const statement = call.statements[at];
      results.push(isPrepared(statement, call, loaded) ? { columns: null, rows: [], truncated: false, rowCount: null, message: 'done' } : await perform(connection, statement, call.maxRows, room));
    }
    if (inOne) await connection.run('COMMIT');
    else if (call.statements.some(({ head }) => BEGINS.test(head)) && (await leftOpen(connection))) {
      const message = 'the SQL ends with its own transaction open: it was rolled back';
      return { ok: false, code: 'sql_error', at: call.statements.length - 1, message, undone: false, fresh: database.fresh };
    }
    return { ok: true, results };
  } catch (error) {
    if (!database) return { ok: false, code: 'sql_error', at: -1, message: unopened(String(error.message)), undone: false, fresh: false };
    const message = String(error.message);
    const code = error instanceof Failed ? error.code : NEEDS_EXTENSION.test(message) ? 'extension_unavailable' : 'sql_error';
    const own = call.statements[Math.min(at, call.statements.length - 1)].ownText;
    return { ok: false, code, at, message: error instanceof Failed ? message : withoutValues(message, own), undone: inOne, fresh: database.fresh };
  } finally {
    database?.connection.closeSync();
    database?.instance.closeSync();
    process.chdir('/');
  }
}

${DUCKDB_SESSION}
parentPort.on('message', async (text) => {
  const call = JSON.parse(text);
  let outcome;
  try {
    outcome = call.op ? await inSession(call) : await run(call);
  } catch (error) {
    outcome = { ok: false, code: 'sql_error', at: -1, message: String(error.code ?? 'fault'), undone: false, fresh: false };
  }
  parentPort.postMessage(JSON.stringify({ ...outcome, id: call.id }));
});
parentPort.postMessage('ready');
`;

/** The program of a DuckDB worker; `module` is the path of @duckdb/node-api. */
export function duckDbHarness(module: string): string {
  return nodeHarness(INTERPRETER, { module }, 'main thread');
}
