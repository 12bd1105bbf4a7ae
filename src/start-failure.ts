import { withoutPassword } from './config/database-address.js';
import { sqlStateOf } from './storage/connection/sql-state.js';

/** A start that failed for a reason which the operator can do something about: the message says what, and a stack would only hide it. */
export class StartFailure extends Error {}

/** By SQLSTATE: what the server has against us, and what helps. */
const REFUSALS: Readonly<Record<string, string>> = {
  '28P01': 'Check user and password of DATABASE_URL.',
  '28000': 'Check user and password of DATABASE_URL, and what pg_hba.conf lets in.',
  '3D000': 'Create the database, or name another one in DATABASE_URL.',
  '42501': 'The role of DATABASE_URL needs the right to create tables in its schema.',
  '53300': 'Let the server accept more connections (max_connections), or end some.',
};
/** Nobody answered there at all. */
const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT']);
/** What a file system has against a folder. */
const UNUSABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'ENOTDIR', 'EDQUOT']);

const messageOf = (error: unknown): string => (error instanceof Error && error.message !== '' ? error.message : codeOf(error));

/** Where the server of `url` cannot be used, why and what helps; any other error as it is. */
export function databaseFailure(error: unknown, url: string): unknown {
  const help = REFUSALS[sqlStateOf(error) ?? ''] ?? (UNREACHABLE.has(codeOf(error)) ? 'Start it, or correct DATABASE_URL.' : undefined);
  if (help === undefined) return error;
  return new StartFailure(`PostgreSQL cannot be used at ${withoutPassword(url)}: ${messageOf(error)}. ${help}`, { cause: error });
}

/** Where the data folder or the server in it cannot be used, why and what helps; any other error, such as a fault of ours, as it is. */
export function embeddedFailure(error: unknown, dataDir: string): unknown {
  if (!(error instanceof Error) || error.name !== 'Error') return error;
  if (!UNUSABLE.has(codeOf(error))) return new StartFailure(error.message, { cause: error });
  return new StartFailure(`DATA_DIR (${dataDir}) cannot be used: ${error.message}. Choose another one, or set DATABASE_URL.`, {
    cause: error,
  });
}

/** Where nobody can listen at that address, why and what helps; any other error as it is. */
export function listenFailure(error: unknown, host: string, port: number): unknown {
  const helps: Readonly<Record<string, string>> = {
    EADDRINUSE: `Port ${port} of ${host} is taken. Set PORT to a free one, or end what listens there.`,
    EACCES: `Port ${port} needs more rights than this user has. Set PORT to one above 1023.`,
    EADDRNOTAVAIL: `${host} is no address of this machine. Correct HOST.`,
    ENOTFOUND: `${host} is no address of this machine. Correct HOST.`,
  };
  const help = helps[codeOf(error)];
  return help === undefined ? error : new StartFailure(help, { cause: error });
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : 'unknown error';
}
