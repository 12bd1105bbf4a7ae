import { type Action, type Retry } from '../playbook/playbook.js';
import { type NewRun } from '../ports.js';
import { type Json, type JsonObject } from '../values.js';
import { aRetry, aStep, anAction, to } from './playbook-builder.js';
import { PARK_AFTER_MS, ProgramStage } from './program-stage.js';

export const MINUTE = 60_000;
/** What RETRY waits between attempts. */
export const RETRY_MS = 3_000;
export const RETRY = aRetry({ initialDelay: RETRY_MS / 1000, backoffMultiplier: 1 });
export const CALL = anAction({ type: 'playbook', fields: { path: 'called' } });

/** A run whose one step has this action. */
export const stageOf = (action: Action, run: Partial<NewRun> = {}, parkAfterMs: number | null = PARK_AFTER_MS): ProgramStage =>
  new ProgramStage([aStep('start', { action, next: to('end') }), aStep('end')], run, parkAfterMs);

/** An iterator whose items are called n. */
export const iteratorOf = (collection: Json, task: Action, fields: JsonObject = {}, retry: Retry | null = null): Action =>
  anAction({ type: 'iterator', fields: { collection, element: 'n', ...fields }, tasks: [task], retry });
