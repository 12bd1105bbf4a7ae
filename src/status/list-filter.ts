import { isId } from '../common/id-pipe.js';
import { EngineError, type Issue } from '../engine/engine-error.js';
import { RUN_STATUSES, type RunStatus } from '../engine/run/events.js';
import { timeMs } from '../engine/run/times.js';
import { isObject, type JsonObject } from '../engine/values.js';
import { type ExecutionFilter } from '../storage/repositories/execution.repository.js';
import { EXECUTION_TYPES } from './dto/execution-type.js';
import { type ExecutionFilterFields } from './dto/execution-queries.js';

/** NoETL's words for the states, accepted in filters (playbook language §11.1). */
const STATUS_WORDS: Readonly<Record<string, RunStatus>> = {
  ...Object.fromEntries(RUN_STATUSES.map((status) => [status, status])),
  complete: 'completed',
  success: 'completed',
  succeeded: 'completed',
  done: 'completed',
  error: 'failed',
  failure: 'failed',
  run: 'running',
  in_progress: 'running',
  started: 'running',
  start: 'running',
  begin: 'running',
  initiated: 'running',
  created: 'pending',
  queued: 'pending',
  init: 'pending',
  new: 'pending',
  waiting: 'pending',
  pause: 'paused',
  suspended: 'paused',
  stopped: 'paused',
  halted: 'paused',
};

/** A filter as requests write it: metadata as text in query strings, as an object in bodies. */
export interface WrittenFilter extends ExecutionFilterFields {
  readonly metadata?: string | JsonObject;
  readonly ids?: readonly string[];
}

/**
 * The filter a request asks for.
 * @param at JSON Pointer to the filter in the request
 * @throws EngineError invalid_request with a pointer to each bad value
 */
export function filterOf(query: WrittenFilter, at = ''): ExecutionFilter {
  const issues: Issue[] = [];
  const refuse = (field: string, message: string): null => {
    issues.push({ pointer: `${at}/${field}`, code: 'invalid_value', message });
    return null;
  };
  const time = (field: 'started_after' | 'started_before' | 'ended_after' | 'ended_before'): number | null => {
    const text = query[field];
    if (text === undefined) return null;
    return timeMs(text) ?? refuse(field, 'is not a time');
  };
  const statuses = wordsOf(query.status).map((word) =>
    Object.hasOwn(STATUS_WORDS, word) ? STATUS_WORDS[word]! : refuse('status', `${word} is not an execution state`),
  );
  const type = query.type?.toLowerCase() ?? null;
  if (type !== null && !(EXECUTION_TYPES as readonly string[]).includes(type)) refuse('type', `is none of ${EXECUTION_TYPES.join(', ')}`);
  query.ids?.forEach((id, index) => void (isId(id) || refuse(`ids/${index}`, 'is not the id of an execution')));
  const filter: ExecutionFilter = {
    ids: query.ids ?? [],
    path: query.path?.replace(/^\/+/, '').replace(/\.ya?ml$/i, '') ?? null,
    version: query.version?.replace(/^v(?=\d)/i, '') ?? null,
    statuses: statuses.filter((status) => status !== null),
    executionType: type,
    parentExecutionId: query.parent_execution_id ?? null,
    metadata: query.metadata === undefined ? null : (objectOf(query.metadata) ?? refuse('metadata', 'is not a JSON object')),
    startedFrom: time('started_after'),
    startedTo: time('started_before'),
    endedFrom: time('ended_after'),
    endedTo: time('ended_before'),
  };
  if (issues.length > 0) throw new EngineError('invalid', 'invalid_request', 'The filter is not valid; errors[] says where.', issues);
  return filter;
}

function wordsOf(text: string | undefined): string[] {
  return (text ?? '')
    .toLowerCase()
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

function objectOf(text: string | JsonObject): JsonObject | null {
  if (typeof text !== 'string') return text;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && !text.includes('\\u0000') ? value : null;
  } catch {
    return null;
  }
}
