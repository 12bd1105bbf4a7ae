import { compensatedStep } from '../engine/playbook/compensation-name.js';
import { type RunEvent } from '../engine/run/events.js';
import { type ItemStop, type PartStart, type PartStop } from '../engine/run/parts.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { type ExecutionRecord } from '../storage/execution-record.js';
import { type StoredEvent } from '../storage/repositories/execution-event.repository.js';
import { timeOf } from './dto/time-text.js';
import { type EventStatus, type ExecutionEvent } from './dto/execution-event.js';
import { shown } from './shown.js';

/** NoETL's names of two types, accepted in filters. */
const SYNONYMS: Readonly<Record<string, string>> = { execution_start: 'execution_started', execution_complete: 'execution_completed' };

/** The types a filter asks for, comma-separated; empty = all. */
export function eventTypesOf(filter: string | undefined): string[] {
  return (filter ?? '')
    .split(',')
    .map((type) => type.trim())
    .filter((type) => type !== '')
    .map((type) => (Object.hasOwn(SYNONYMS, type) ? SYNONYMS[type]! : type));
}

/** The wire form of one event. @param result result of the execution, for its terminal event, which does not repeat it in the history */
export function eventView(record: ExecutionRecord, { seq, at, event }: StoredEvent, result: Json = null): ExecutionEvent {
  const name = 'step' in event ? event.step : null;
  const undone = name === null ? null : compensatedStep(name);
  const step = undone ?? name;
  const durationMs = 'durationMs' in event ? event.durationMs : null;
  const created = timeOf(at);
  return {
    seq,
    event_id: `${record.id}-${seq}`,
    execution_id: record.id,
    catalog_id: record.catalogId,
    event_type: event.type,
    node_id: name === null ? record.id : `${record.id}:${name}`,
    node_name: step ?? record.playbookName,
    node_type: 'stepType' in event ? event.stepType : record.executionType,
    status: statusOf(event),
    created_at: created,
    timestamp: created,
    started_at: durationMs === null ? null : timeOf(Math.round(at - durationMs)),
    duration: durationMs === null ? null : Math.round(durationMs * 1000) / 1_000_000,
    attempt: 'attempt' in event ? event.attempt : null,
    wave: 'wave' in event ? (event.wave ?? null) : null,
    item_index: null,
    context: 'inputs' in event ? shown(event.inputs ?? null) : null,
    result: shown(resultOf(event, result)),
    error: shown(errorOf(event)),
    meta: shown(undone === null ? metaOf(event) : { ...metaOf(event), compensation: true }),
    parent_execution_id: record.parentExecutionId,
    parent_event_id: record.parentEventId,
  };
}

function statusOf(event: RunEvent): EventStatus {
  switch (event.type) {
    case 'execution_started':
    case 'step_started':
    case 'step_waiting':
    case 'action_started':
    case 'loop_started':
    case 'child_started':
    case 'compensation_started':
      return 'STARTED';
    case 'step_completed':
      return event.passed ? 'SKIPPED' : 'COMPLETED';
    case 'compensation_completed':
      return 'COMPLETED';
    case 'compensation_skipped':
      return 'SKIPPED';
    case 'step_failed':
    case 'step_timed_out':
    case 'compensation_failed':
    case 'execution_failing':
    case 'execution_failed':
      return 'FAILED';
    case 'step_skipped':
      return event.reason === 'cancelled' ? 'CANCELLED' : 'SKIPPED';
    case 'action_completed':
      return referenceTo(event.parts) || event.parts.every(({ end }) => end.ok) ? 'COMPLETED' : 'FAILED';
    case 'child_completed':
      return event.status === 'completed' ? 'COMPLETED' : event.status === 'failed' ? 'FAILED' : 'CANCELLED';
    case 'action_acted':
      return referenceTo(event.acted) || event.acted.end.ok ? 'COMPLETED' : 'FAILED';
    case 'loop_iteration':
    case 'step_progress':
    case 'step_log':
    case 'action_held':
    case 'action_retry':
    case 'step_woken':
    case 'approval_decided':
    case 'signal_received':
    case 'pause_requested':
    case 'execution_resumed':
    case 'cancel_requested':
      return 'RUNNING';
    case 'execution_paused':
      return 'PAUSED';
    case 'execution_completed':
      return 'COMPLETED';
    case 'execution_cancelled':
      return 'CANCELLED';
  }
}

function resultOf(event: RunEvent, result: Json): Json {
  if (event.type === 'step_completed' || event.type === 'compensation_completed') return event.value;
  if (event.type === 'signal_received') return event.payload;
  if (event.type === 'approval_decided') return event.data;
  const apart = 'items' in event ? referenceTo(event.items) : event.type === 'action_acted' ? referenceTo(event.acted) : null;
  if (apart) return apart;
  if (event.type === 'action_acted') return event.acted.end.value;
  if (event.type === 'child_completed') return event.value ?? null;
  if (event.type === 'loop_started') return { items: event.items.length };
  if (event.type === 'loop_iteration') return event.items.map(itemView);
  return event.type === 'execution_completed' ? result : null;
}

function errorOf(event: RunEvent): string | null {
  if (event.type === 'cancel_requested' || event.type === 'pause_requested') return event.reason;
  if (event.type === 'execution_cancelled') return event.error?.message ?? event.reason;
  return 'error' in event && event.error ? event.error.message : null;
}

/** What stands for items, parts or an action's end that lie apart; null where they are there. How they ended it does not say. */
function referenceTo(value: object): JsonObject | null {
  return '$ref' in value ? (value as JsonObject) : null;
}

function itemView({ index, end, attempt, logs, saves }: ItemStop): JsonObject {
  const error = end.ok ? null : end.error.message;
  return {
    item_index: index,
    status: end.ok ? 'COMPLETED' : 'FAILED',
    value: end.ok ? end.value : null,
    error,
    attempt,
    ...(logs ? { logs } : {}),
    ...savesView(saves),
  };
}

/** As `meta.save` of a step is. */
function savesView(saves: ItemStop['saves']): JsonObject {
  const save = saves && saveMeta(saves);
  return save === undefined ? {} : { save };
}

function partView(part: PartStart | PartStop): JsonObject {
  if (!('end' in part)) return { path: part.path, attempt: part.attempt, inputs: part.inputs };
  const { path, end, logs, saves } = part;
  return {
    path,
    status: end.ok ? 'COMPLETED' : 'FAILED',
    value: end.value,
    ...(end.ok ? {} : { error: { ...end.error } }),
    ...(logs ? { logs } : {}),
    ...savesView(saves),
  };
}

/** Everything an event says that has no column of its own. */
function metaOf(event: RunEvent): JsonObject {
  const meta: JsonObject = {};
  const add = (key: string, value: unknown): void => void (value !== undefined && value !== null && (meta[key] = value as Json));
  if (event.type === 'step_completed' || event.type === 'step_failed' || event.type === 'step_timed_out') {
    add('next', event.edges.length > 0 ? event.edges.map((edge) => edge.to) : undefined);
    add('vars', event.vars);
    add('save', saveMeta(event.saves));
    add('warnings', event.warnings);
    add('error', event.error);
  }
  if (event.type === 'step_completed' || event.type === 'step_failed') add('logs', event.logs);
  if (event.type === 'compensation_started') add('warnings', event.warnings);
  if (event.type === 'compensation_completed' || event.type === 'compensation_failed') {
    add('warnings', event.warnings);
    add('logs', event.logs);
  }
  if (event.type === 'compensation_completed') add('errors', event.itemErrors);
  if (event.type === 'compensation_failed') add('error', event.error);
  if (event.type === 'compensation_skipped') add('firings', event.firings);
  if (event.type === 'execution_cancelled') add('error', event.error);
  if (event.type === 'step_waiting') {
    add('waits_for', event.waitsFor.kind);
    add('name', event.waitsFor.name);
    add('due_at', event.dueAt === null ? null : timeOf(event.dueAt));
    add('requests', event.waitsFor.requests);
    const { id: approvalId, ...asked } = event.waitsFor.approval ?? { id: undefined };
    add('approval_id', approvalId);
    add('approval', approvalId === undefined ? undefined : asked);
    add('warnings', event.warnings);
  }
  if (event.type === 'step_progress') {
    add('progress', event.progress);
    add('total', event.total);
    add('message', event.message);
    add('path', event.path || undefined);
    add('of_action', event.ofAction);
  }
  if (event.type === 'step_log') {
    add('level', event.level);
    add('logger', event.logger);
    add('message', event.message);
    add('data', event.data);
    add('path', event.path);
  }
  if (event.type === 'action_started' || event.type === 'action_completed')
    add('parts', referenceTo(event.parts) ?? event.parts.map(partView));
  if (event.type === 'loop_started' || event.type === 'loop_iteration' || event.type === 'action_retry')
    add('path', event.path || undefined);
  if (event.type === 'action_acted' && !referenceTo(event.acted)) add('error', event.acted.end.ok ? undefined : event.acted.end.error);
  if (event.type === 'child_started' || event.type === 'child_completed') {
    add('child_execution_id', event.childId);
    add('path', event.path || undefined);
  }
  if (event.type === 'child_started') add('playbook', `${event.childPath}@${event.childVersion}`);
  if (event.type === 'step_woken') add('reason', event.reason);
  if (event.type === 'signal_received') add('name', event.name);
  if (event.type === 'execution_started') add('by', event.requesters?.[0]);
  if (event.type === 'approval_decided') {
    add('approval_id', event.approvalId);
    add('decision', event.decision);
    add('comment', event.comment);
    add('outcome', event.outcome);
  }
  if (event.type === 'execution_failing') add('error', event.error);
  if (event.type === 'step_completed') {
    add('raw', event.raw);
    add('passed', event.passed);
    add('errors', event.itemErrors);
  }
  if (event.type === 'step_failed') add('handled', event.handled);
  if (event.type === 'step_skipped') add('reason', event.reason);
  if (event.type === 'action_retry') {
    add('max_attempts', event.maxAttempts);
    add('delay', event.delayMs / 1000);
    add('due_at', timeOf(event.dueAt));
    add('error', event.error);
    add('logs', event.logs);
  }
  if ('by' in event) add('by', event.by);
  if (event.type === 'cancel_requested') {
    add('force', event.force);
    add('cascade', event.cascade);
  }
  if (event.type === 'execution_failed') {
    add('error', event.error);
    add('errors', event.others.length > 0 ? event.others : undefined);
  }
  return meta;
}

function saveMeta(saves: Extract<RunEvent, { type: 'step_completed' }>['saves']): Json | undefined {
  if (saves.length === 0) return undefined;
  const views = saves.map(({ status, storage, name, data, error, detail }): JsonObject => ({
    status,
    storage,
    name,
    data,
    error,
    ...detail,
  }));
  return views.length === 1 ? views[0]! : views;
}
