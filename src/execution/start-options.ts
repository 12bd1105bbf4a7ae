import { EngineError, type Issue } from '../engine/engine-error.js';
import { durationMs } from '../engine/run/durations.js';
import { rfc3339Ms, TEN_YEARS_MS } from '../engine/run/times.js';
import { type StartOptionsRequest, type WireDuration } from './dto/start-options-request.js';

/** When a run is to start, and how long it may take to. */
export interface StartOptions {
  /** null: as it was in a rerun, else 0. */
  readonly priority: number | null;
  /** Epoch milliseconds before which it must not start; null = at once. */
  readonly startAt: number | null;
  /** Instead of startAt: so long after its creation. */
  readonly delayMs: number | null;
  /** From then on, else from its creation. */
  readonly expiresInMs: number | null;
  readonly timeoutMs: number | null;
}

/** Reads the options of a start. @throws EngineError invalid_request with a pointer to each bad one */
export function startOptionsOf(request: StartOptionsRequest): StartOptions {
  const issues: Issue[] = [];
  const refuse = (field: keyof StartOptionsRequest, message: string): null => {
    issues.push({ pointer: `/${field}`, code: 'invalid_value', message });
    return null;
  };
  const duration = (field: 'delay' | 'expires_in' | 'timeout', value: WireDuration | null | undefined): number | null => {
    if (value === undefined || value === null) return null;
    const ms = durationMs(value);
    if (ms === undefined) return refuse(field, 'is not a duration: seconds, a text like 30s or 5m, or ISO 8601');
    if (ms > TEN_YEARS_MS) return refuse(field, 'is longer than ten years');
    return field !== 'delay' && ms <= 0 ? refuse(field, 'must be longer than nothing') : Math.ceil(ms);
  };
  const time = (text: string | null | undefined): number | null => {
    if (text === undefined || text === null) return null;
    const at = rfc3339Ms(text);
    if (at === undefined) return refuse('start_at', 'is not a time of RFC 3339, such as 2025-10-11T22:00:00Z');
    return at > Date.now() + TEN_YEARS_MS ? refuse('start_at', 'is more than ten years ahead') : at;
  };
  const at = time(request.start_at);
  const delayMs = duration('delay', request.delay);
  if (at !== null && delayMs !== null) refuse('delay', 'cannot go with start_at');
  const options: StartOptions = {
    priority: request.priority ?? null,
    startAt: at,
    delayMs,
    expiresInMs: duration('expires_in', request.expires_in),
    timeoutMs: duration('timeout', request.timeout),
  };
  if (issues.length > 0) throw new EngineError('invalid', 'invalid_request', 'The request is not valid; errors[] says where.', issues);
  return options;
}

/** The times of a start that is made now (epoch milliseconds of the database): time-outs count from when it may start, never from a moment that was over when it was asked for. */
export function startTimesOf(
  { startAt: wanted, delayMs, expiresInMs, timeoutMs }: StartOptions,
  now: number,
): { readonly startAt: number | null; readonly expiresAt: number | null; readonly timeoutAt: number | null } {
  const startAt = wanted ?? (delayMs === null ? null : now + delayMs);
  const from = Math.max(now, startAt ?? now);
  return {
    startAt,
    expiresAt: expiresInMs === null ? null : from + expiresInMs,
    timeoutAt: timeoutMs === null ? null : from + timeoutMs,
  };
}
