import { EngineError } from '../engine/engine-error.js';

/** Documentation of the header by which a wait is asked for. */
export const PREFER = {
  name: 'Prefer',
  required: false,
  description: 'wait=N: hold the answer until the end, N seconds at most (60); bare wait means 30.',
  schema: { type: 'string' },
  example: 'wait=10',
} as const;
/** Longest wait that is granted; larger wishes are clamped. */
export const MAX_WAIT_SECONDS = 60;
/** What a bare `Prefer: wait` means. */
export const DEFAULT_WAIT_SECONDS = 30;

/**
 * Milliseconds a caller wants to wait for the end: `Prefer: wait[=N]` (RFC 7240) or `?wait[=N]`, seconds, the header first.
 * null where nothing was asked. Throws EngineError: `invalid_header` (400) for the header, `invalid_value` (422) for the query.
 */
export function waitOf(prefer: string | readonly string[] | undefined, query: unknown): number | null {
  const preference = prefer === undefined ? undefined : waitPreference(String(prefer));
  if (preference !== undefined) {
    const seconds = secondsOf(preference);
    if (seconds === undefined) throw new EngineError('unreadable', 'invalid_header', 'Prefer: wait needs a whole number of seconds.');
    return seconds * 1000;
  }
  const parameter = (query as { wait?: unknown } | null | undefined)?.wait;
  if (parameter === undefined) return null;
  const seconds = typeof parameter === 'string' ? secondsOf(parameter) : undefined;
  if (seconds === undefined) {
    throw new EngineError('invalid', 'invalid_request', 'wait needs a whole number of seconds.', [
      { pointer: '/wait', code: 'invalid_value', message: 'must be a whole number of seconds' },
    ]);
  }
  return seconds * 1000;
}

/** Value of the `wait` preference, empty text where it is bare, undefined where it is not there. Unknown preferences are ignored. */
function waitPreference(prefer: string): string | undefined {
  // As nearly every client writes it.
  if (prefer.startsWith('wait=') && /^\d+$/.test(prefer.slice(5))) return prefer.slice(5);
  for (const part of prefer.split(',')) {
    const [name = '', value = ''] = part.split(';', 1)[0]?.split('=', 2) ?? [];
    if (name.trim().toLowerCase() === 'wait') return value.trim().replace(/^"(.*)"$/, '$1');
  }
  return undefined;
}

function secondsOf(text: string): number | undefined {
  if (text === '') return DEFAULT_WAIT_SECONDS;
  return /^\d{1,9}$/.test(text) ? Math.min(Number(text), MAX_WAIT_SECONDS) : undefined;
}
