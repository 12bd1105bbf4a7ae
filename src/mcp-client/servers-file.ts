import { createHash } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { readOperatorFile } from '../config/operator-file.js';
import { canonicalJson } from '../engine/canonical-json.js';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { type StdioLimits, type StdioMcpServer } from './mcp-server.js';
import { canLimit } from './stdio-argv.js';

/** A segment of catalog paths, in lower case. */
export const MCP_SERVER_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

const MOST_SERVERS = 200;
const KEYS: ReadonlySet<string> = new Set(['command', 'args', 'env', 'cwd', 'limits']);
/** Keys of `limits` with their bounds; what is a size counts in MiB. */
const LIMITS: Readonly<Record<string, number>> = {
  memory_mb: 1_048_576,
  cpu_seconds: 31_536_000,
  file_mb: 1_048_576,
  open_files: 1_048_576,
};
const MEBIBYTE = 1_048_576;

/**
 * Reads MCP_SERVERS_FILE: `{"mcpServers": {"<name>": {"command": "/absolute/path", "args": [...], "env": {...}, "cwd": "/absolute/path"}}}`, the form
 * that other hosts of MCP have, and `limits` beside them. An empty path gives none. Throws an Error for the operator, which never quotes a value.
 */
export function readMcpServers(path: string): readonly StdioMcpServer[] {
  if (path === '') return [];
  const file = readOperatorFile(path) as Json;
  const servers = isObject(file) ? file['mcpServers'] : undefined;
  if (!isObject(servers ?? null)) throw new Error('has no mapping "mcpServers"');
  const entries = Object.entries(servers as JsonObject);
  if (entries.length > MOST_SERVERS) throw new Error(`names more than ${MOST_SERVERS} servers`);
  return entries.map(([name, value]) => serverOf(name, value));
}

function serverOf(name: string, value: Json): StdioMcpServer {
  const wrong = (why: string): Error => new Error(`server ${JSON.stringify(name.slice(0, 80))} ${why}`);
  if (!MCP_SERVER_NAME.test(name)) throw wrong('has a name that is not 1-63 characters of a-z, 0-9, _ and -');
  if (!isObject(value)) throw wrong('is not a mapping');
  const unknown = Object.keys(value).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw wrong(`has an unknown key ${JSON.stringify(unknown.slice(0, 80))}`);
  const { command, args = [], env = {}, cwd = null } = value as JsonObject & { args?: Json; env?: Json; cwd?: Json };
  if (typeof command !== 'string' || !isAbsolute(command) || command.includes('\0')) throw wrong('needs "command", an absolute path');
  if (cwd !== null && (typeof cwd !== 'string' || !isAbsolute(cwd) || cwd.includes('\0')))
    throw wrong('has a "cwd" that is no absolute path');
  if (!Array.isArray(args) || !args.every(isArgument)) throw wrong('has "args" that are no list of texts');
  if (!isObject(env) || !Object.entries(env).every(([key, text]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && isArgument(text))) {
    throw wrong('has an "env" that is no mapping of names to texts');
  }
  const limits = limitsOf((value as JsonObject)['limits'] ?? {}, wrong);
  const version = createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 16);
  return { kind: 'stdio', name, version, command, args: args as string[], env: env as Record<string, string>, cwd, limits };
}

function limitsOf(value: Json, wrong: (why: string) => Error): StdioLimits {
  if (!isObject(value)) throw wrong('has "limits" that are no mapping');
  for (const [key, limit] of Object.entries(value)) {
    const most = Object.hasOwn(LIMITS, key) ? LIMITS[key]! : null;
    if (most === null) throw wrong(`has an unknown limit ${JSON.stringify(key.slice(0, 80))}`);
    if (!Number.isInteger(limit) || Number(limit) < 1 || Number(limit) > most)
      throw wrong(`has a limit ${key} that is no whole number from 1 to ${most}`);
  }
  if (Object.keys(value).length > 0 && !canLimit()) throw wrong('has "limits", which this system cannot set (there is no prlimit)');
  const limit = (key: string, unit = 1): number | null => (typeof value[key] === 'number' ? value[key] * unit : null);
  return {
    memoryBytes: limit('memory_mb', MEBIBYTE),
    cpuSeconds: limit('cpu_seconds'),
    fileBytes: limit('file_mb', MEBIBYTE),
    openFiles: limit('open_files'),
  };
}

const isArgument = (value: Json): boolean => typeof value === 'string' && !value.includes('\0');
