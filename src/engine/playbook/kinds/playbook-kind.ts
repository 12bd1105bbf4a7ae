import { isObject, type Json, type JsonObject, own } from '../../values.js';
import { type DocumentReading } from '../document-reading.js';
import { type EdgePlaces } from '../normalise-next.js';
import { normaliseStep, normaliseTask, type StepDraft } from '../normalise-step.js';
import { type WorkbookTask } from '../playbook.js';
import { at } from '../source-positions.js';
import { linkSteps } from '../validate-graph.js';
import { type KindReader } from './kind-reader.js';

/** Keys that templates see under their own name. */
const EXPOSED_KEYS = ['environment', 'spec'];

/** `kind: Playbook`: the document is the program. */
export const playbookReader: KindReader = {
  rootKeys: ['workload', 'workbook', 'workflow', 'steps', 'credentials', 'keychain'],

  read(root, reading) {
    const places: EdgePlaces = new Map();
    const workbook = workbookOf(root, reading);
    const drafts = draftsOf(root, reading, places);
    return {
      workload: reading.mappingAt(root, 'workload'),
      workbook,
      workflow: linkSteps(drafts, workbook, places, reading.findings),
      credentials: own(root, 'credentials') ?? null,
      keychain: own(root, 'keychain') ?? null,
      exposed: Object.fromEntries(EXPOSED_KEYS.flatMap((key) => (Object.hasOwn(root, key) ? [[key, root[key] ?? null]] : []))),
    };
  },
};

function draftsOf(root: JsonObject, reading: DocumentReading, places: EdgePlaces): StepDraft[] {
  const { findings, mostSteps } = reading;
  const key = Object.hasOwn(root, 'steps') && !Object.hasOwn(root, 'workflow') ? 'steps' : 'workflow';
  const list = reading.listAt(root, key);
  if (list.length === 0) findings.error('missing_workflow', at('', key), 'A playbook needs "workflow": a list with at least one step.');
  if (list.length > mostSteps) {
    findings.error('too_many_steps', at('', key), `A playbook has at most ${mostSteps} steps; this one has ${list.length}.`);
    return [];
  }
  return list.flatMap((value, index) => {
    const pointer = at('', key, index);
    refuseInternal(value, pointer, reading);
    const draft = normaliseStep(value, pointer, reading.lineOf(pointer), findings, places);
    if (draft) reading.placeStep(draft.step.name, pointer);
    return draft ? [draft] : [];
  });
}

/** What only other kinds become is no word of the language, wherever it stands. */
function refuseInternal(value: Json, pointer: string, reading: DocumentReading): void {
  if (Array.isArray(value)) return value.forEach((item, index) => refuseInternal(item, at(pointer, index), reading));
  if (!isObject(value)) return;
  for (const key of ['type', 'tool', 'action']) {
    const word = own(value, key) ?? null;
    if (typeof word === 'string' && word.toLowerCase() === 'model_call')
      reading.findings.error(
        'unknown_type',
        at(pointer, key),
        `There is no step type "${word}"; call a Model with "type: model" and its "path".`,
      );
  }
  for (const key of ['task', 'tasks', 'call', 'compensate']) refuseInternal(own(value, key) ?? null, at(pointer, key), reading);
}

function workbookOf(root: JsonObject, reading: DocumentReading): WorkbookTask[] {
  return reading.listAt(root, 'workbook').flatMap((value, index) => {
    const pointer = at('/workbook', index);
    refuseInternal(value, pointer, reading);
    const task = normaliseTask(value, pointer, reading.findings);
    if (!task) return [];
    if (!reading.placeTask(task.name, pointer))
      reading.findings.error('duplicate_task', pointer, `There are two workbook tasks named "${task.name}".`);
    return [task];
  });
}
