import pg from 'pg';
import { DatabaseError } from '../engine/database-port.js';
import { OutboundError } from '../engine/outbound-port.js';
import { StepFailure } from '../engine/step-executor.js';

/** Names that the server adds to an error: objects of its schema, never what they hold. */
const ABOUT = ['schema', 'table', 'column', 'constraint', 'dataType'] as const;

/**
 * What the server says about a statement, without what its values were: a quoted piece of the message stays only where
 * the author's own text has it, or where the server says that it is the name of an object.
 */
export function databaseErrorOf(error: pg.DatabaseError, authorsText: string): DatabaseError {
  const about = Object.fromEntries(ABOUT.flatMap((name) => (error[name] === undefined ? [] : [[name, error[name]]])));
  const known = [authorsText.toLowerCase(), ...Object.values(about).map((name) => name.toLowerCase())];
  const isKnown = (quoted: string): boolean => quoted !== '' && known.some((text) => text.includes(quoted.toLowerCase()));
  const message = withoutValues(error.message, isKnown);
  return new DatabaseError(message, error.code ?? 'XX000', about);
}

/** A value may hold quotes itself: from the first piece that is not known, all up to the last quote goes. */
function withoutValues(message: string, isKnown: (quoted: string) => boolean): string {
  for (const { 0: piece, 1: quoted = '', index } of message.matchAll(/"([^"]*)(?:"|$)/g)) {
    if (isKnown(quoted)) continue;
    const last = piece.length > 1 && piece.endsWith('"') ? message.lastIndexOf('"') : message.length;
    return `${message.slice(0, index)}"…"${message.slice(last + 1)}`;
  }
  return message;
}

/** Why no connection could be had, in words that name the place and nothing else. */
export function connectionFailure(error: unknown, where: string): unknown {
  if (error instanceof StepFailure) return error;
  if (error instanceof OutboundError)
    return new StepFailure(error.code, `The database at ${where} could not be reached: ${error.message}`, { retryable: error.retryable });
  const code = codeOf(error);
  if (error instanceof pg.DatabaseError || /^[0-9A-Z]{5}$/.test(code)) {
    const reason = LOGIN_ERRORS[code];
    if (reason !== undefined)
      return new StepFailure('invalid_connection', `The database at ${where} refused the login: ${reason} (${code})`, { retryable: false });
    return new StepFailure('connection_error', `The database at ${where} refused the connection (${code})`);
  }
  return new StepFailure('connection_error', `The database at ${where} could not be reached: ${REASONS[code] ?? reasonOf(error, code)}`);
}

/** Errors after which another address of the same host may still answer. */
export function isUnreachable(error: unknown): boolean {
  if (error instanceof OutboundError) return true;
  return ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EADDRNOTAVAIL'].includes(codeOf(error));
}

const LOGIN_ERRORS: Readonly<Record<string, string>> = {
  '28P01': 'wrong user or password',
  '28000': 'the user may not log in like this',
  '3D000': 'there is no such database',
  '42501': 'the user may not connect',
};
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there (ECONNREFUSED)',
  ECONNRESET: 'the connection was reset (ECONNRESET)',
  EHOSTUNREACH: 'the host cannot be reached (EHOSTUNREACH)',
  ENETUNREACH: 'the network cannot be reached (ENETUNREACH)',
  ETIMEDOUT: 'the connection was not accepted in time (ETIMEDOUT)',
};

function reasonOf(error: unknown, code: string): string {
  const text = error instanceof Error ? error.message : '';
  if (text.includes('does not support SSL')) return 'it does not speak TLS, which sslmode asks for';
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) return `its TLS certificate is not trusted (${code})`;
  if (text.includes('timeout')) return 'it did not answer in time';
  return code === '' ? 'the connection ended' : `the connection failed (${code})`;
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError && !('code' in error && typeof error.code === 'string')) return codeOf(error.errors[0]);
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
