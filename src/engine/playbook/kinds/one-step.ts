import { type Json, type JsonObject } from '../../values.js';
import { type DocumentReading } from '../document-reading.js';
import { type EdgePlaces } from '../normalise-next.js';
import { normaliseStep } from '../normalise-step.js';
import { type Step } from '../playbook.js';
import { linkSteps } from '../validate-graph.js';

/**
 * The program of an entry that does one thing: `start -> call -> end`.
 * @param call fields of the step, as a playbook would write them
 * @param pointer where they stand in the document, so that findings point there
 * @param result template of the result; null: the value of the call
 */
export function oneStep(call: JsonObject, pointer: string, result: Json, reading: DocumentReading): Step[] {
  return stepsOf(
    [
      { step: 'start', next: 'call' },
      { ...call, step: 'call', next: 'end' },
      { step: 'end', result: result ?? '{{ call }}' },
    ],
    pointer,
    reading,
  );
}

/** The program of an entry that does nothing but give a result, made of its arguments. */
export function resultAlone(result: Json, pointer: string, reading: DocumentReading): Step[] {
  return stepsOf(
    [
      { step: 'start', next: 'end' },
      { step: 'end', result },
    ],
    pointer,
    reading,
  );
}

function stepsOf(steps: readonly JsonObject[], pointer: string, reading: DocumentReading): Step[] {
  const places: EdgePlaces = new Map();
  const line = reading.lineOf(pointer);
  const drafts = steps.flatMap((step) => normaliseStep(step, pointer, line, reading.findings, places) ?? []);
  for (const { step } of drafts) reading.placeStep(step.name, pointer);
  return linkSteps(drafts, [], places, reading.findings);
}
