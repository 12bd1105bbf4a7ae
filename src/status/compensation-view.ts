import { type RunEvent } from '../engine/run/events.js';
import { type ExecutionEvent } from './dto/execution-event.js';
import { type StepCompensation } from './dto/execution-step.js';
import { optionalTimeOf } from './dto/time-text.js';
import { type ExecutionRecord } from '../storage/execution-record.js';

/** How the undoing of a firing stands after one more event about it. @param before null before the first */
export function compensationAfter(before: StepCompensation | null, event: RunEvent, view: ExecutionEvent): StepCompensation {
  const begun = before ?? {
    type: view.node_type,
    status: view.status,
    attempt: 1,
    started_at: event.type === 'compensation_started' ? view.created_at : null,
    ended_at: null,
    inputs: null,
    value: null,
    error: null,
    child_execution_id: null,
  };
  const after = { ...begun, inputs: begun.inputs ?? view.context };
  switch (event.type) {
    case 'compensation_completed':
    case 'compensation_failed':
      return { ...after, status: view.status, attempt: event.attempt, ended_at: view.created_at, value: view.result, error: view.error };
    case 'action_retry':
      // What is tried again in a part of it is no new attempt of the whole.
      return event.path === undefined ? { ...after, status: view.status, attempt: event.attempt + 1, error: view.error } : after;
    case 'child_started':
      return event.path === '' ? { ...after, child_execution_id: event.childId } : after;
    default:
      return after;
  }
}

/** How the undoing of a firing stands once its execution is over: what was under way then has been given up. */
export function compensationAtEnd(undoing: StepCompensation, { endedAt }: ExecutionRecord): StepCompensation {
  return undoing.ended_at === null ? { ...undoing, status: 'SKIPPED', ended_at: optionalTimeOf(endedAt) } : undoing;
}
