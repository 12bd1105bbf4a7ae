import { withoutMarkers } from '../../engine/auth/secret-markers.js';
import { type RunErrorDetails } from '../../engine/run/events.js';
import { type WaitingFor } from '../../engine/ports.js';
import { type Json, type JsonObject } from '../../engine/values.js';
import { type ListedExecution } from '../../storage/execution-record.js';
import { shown } from '../shown.js';
import { type ExecutionStatus, type ExecutionWait } from './execution-status.js';
import { optionalTimeOf, timeOf } from './time-text.js';

/** What lies beside the row; lists and acknowledgements leave it out. */
export interface ExecutionPayload {
  readonly result?: Json;
  readonly parameters?: JsonObject | null;
  readonly durable?: boolean;
  /** One of many: what it asks for is not repeated. */
  readonly listed?: boolean;
}

/** The wire form of an execution: the one crossing from camelCase to snake_case. */
export function executionStatusOf(
  record: ListedExecution,
  { result = null, parameters = null, durable = true, listed = false }: ExecutionPayload = {},
): ExecutionStatus {
  const startTime = timeOf(record.createdAt);
  const seconds = durationSecondsOf(record);
  return {
    id: record.id,
    execution_id: record.id,
    playbook_id: record.path,
    playbook_name: record.playbookName,
    catalog_id: record.catalogId,
    path: record.path,
    version: record.shownVersion,
    requested_version: record.requestedVersion,
    execution_type: record.executionType,
    type: record.executionType,
    status: record.status,
    start_time: startTime,
    end_time: optionalTimeOf(record.endedAt),
    timestamp: startTime,
    updated_at: timeOf(record.updatedAt),
    duration: seconds,
    duration_seconds: seconds,
    duration_human: seconds === null ? null : durationInWords(seconds),
    progress: record.progress,
    current_step: record.currentStep,
    waiting_for: waitOf(record.waitingFor, listed),
    result: shown(result),
    parameters: shown(parameters),
    error: shown(errorLineOf(record.error)),
    error_details: record.error && shownError(record.error),
    parent_execution_id: record.parentExecutionId,
    parent_event_id: record.parentEventId,
    parent_step: record.parentStep,
    forked_from: record.forkedFrom,
    metadata: shown(record.metadata ?? {}),
    priority: record.priority,
    start_at: optionalTimeOf(record.startAt),
    expires_at: optionalTimeOf(record.expiresAt),
    timeout_at: optionalTimeOf(record.timeoutAt),
    digest: record.digest,
    durable,
  };
}

function shownError(error: RunErrorDetails): RunErrorDetails {
  return { ...error, message: shown(error.message), cause: shown(error.cause) };
}

/** Seconds from creation to end; null while the execution is not over. */
export function durationSecondsOf({ createdAt, endedAt }: Pick<ListedExecution, 'createdAt' | 'endedAt'>): number | null {
  return endedAt === null ? null : Math.max(0, endedAt - createdAt) / 1000;
}

/** 0.25s, 12s, 1m 5s, 2h 0m 3s. */
export function durationInWords(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds * 1000) / 1000}s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return `${hours > 0 ? `${hours}h ` : ''}${minutes}m ${whole % 60}s`;
}

/** One line, because old clients print it. */
export function errorLineOf(error: RunErrorDetails | null): string | null {
  return error === null ? null : error.message.replace(/\s*[\r\n]+\s*/g, ' ').trim();
}

function waitOf(waiting: WaitingFor | null, listed: boolean): ExecutionWait | null {
  if (waiting === null) return null;
  const { kind, name, since, until, requests, approvalId = null } = waiting;
  // Fields of a form may be called password: that says what is asked, and is no secret.
  const asked = listed || !requests ? null : withoutMarkers(requests);
  return { kind, name, since: timeOf(since), until: optionalTimeOf(until), requests: asked, approval_id: approvalId };
}
