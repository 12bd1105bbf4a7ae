import { type ExecutionRecord } from '../storage/execution-record.js';
import { type StoredEvent } from '../storage/repositories/execution-event.repository.js';
import { type ExecutionStep } from './dto/execution-step.js';
import { compensatedStep } from '../engine/playbook/compensation-name.js';
import { compensationAfter, compensationAtEnd } from './compensation-view.js';
import { isTerminal } from '../engine/run/events.js';
import { eventView } from './event-view.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Events with which a firing begins without having a time of its own. */
const BEGINNINGS: ReadonlySet<string> = new Set(['step_started', 'step_waiting', 'step_progress', 'step_log']);

/** One entry per step and wave, in the order of their first event, from the events about them. */
export function stepViews(record: ExecutionRecord, events: readonly StoredEvent[]): ExecutionStep[] {
  const steps = new Map<string, Writable<ExecutionStep>>();
  for (const stored of events) {
    const { event } = stored;
    if (!('step' in event)) continue;
    const view = eventView(record, stored);
    const undone = compensatedStep(event.step);
    const key = `${undone ?? event.step} ${event.wave}`;
    let step = steps.get(key);
    if (undone !== null) {
      if (step) step.compensation = compensationAfter(step.compensation, event, view);
      continue;
    }
    if (!step) {
      step = {
        step: event.step,
        type: event.stepType,
        status: 'STARTED',
        wave: event.wave,
        attempt: 1,
        started_at: BEGINNINGS.has(event.type) ? view.created_at : view.started_at,
        ended_at: null,
        duration_ms: null,
        inputs: null,
        value: null,
        error: null,
        item_count: null,
        items_done: null,
        child_execution_id: null,
        compensation: null,
        meta: {},
      };
      steps.set(key, step);
    }
    // Whoever decided too late to change anything.
    if (event.type === 'approval_decided' && step.ended_at !== null) continue;
    // What the attempt before came to is shown until this one has ended.
    if (event.type === 'step_woken' && event.reason === 'retry') continue;
    step.status = view.status;
    step.inputs ??= view.context;
    step.error = view.error;
    step.meta = view.meta;
    if (event.type === 'child_started' && event.path === '') step.child_execution_id = event.childId;
    if (event.type === 'loop_started' && event.path === '')
      [step.item_count, step.items_done] = [stored.itemCount ?? event.items.length, 0];
    if (event.type === 'loop_iteration' && event.path === '')
      step.items_done = (step.items_done ?? 0) + (stored.itemCount ?? event.items.length);
    if (event.type === 'action_retry') step.attempt = event.attempt + 1;
    if (event.type !== 'step_completed' && event.type !== 'step_failed' && event.type !== 'step_skipped' && event.type !== 'step_timed_out')
      continue;
    step.ended_at = view.created_at;
    step.duration_ms = 'durationMs' in event ? event.durationMs : null;
    step.value = view.result;
    if ('attempt' in event) step.attempt = event.attempt;
  }
  if (isTerminal(record.status)) for (const step of steps.values()) step.compensation &&= compensationAtEnd(step.compensation, record);
  return [...steps.values()];
}
