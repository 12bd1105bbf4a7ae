import { isObject } from '../values.js';
import { type Findings } from './findings.js';
import { type Field, Mapping } from './mapping.js';
import { normaliseAction, withCall } from './normalise-action.js';
import { type Action, type Compensate } from './playbook.js';
import { at } from './source-positions.js';

/** Types that neither do anything that could be undone, nor undo anything: they wait for others, or speak. */
export const NO_EFFECT: ReadonlySet<string> = new Set(['wait', 'wait_for', 'input', 'approval', 'progress', 'log', 'fail']);

/**
 * `compensate` of a step: an action as on a step (`type`, its fields, `data`, `auth`, `retry`, `timeout`, `assert`), and `covers`.
 * @param of what the step does; null where it does nothing
 */
export function normaliseCompensate(field: Field | null, of: Action | null, findings: Findings): Compensate | null {
  if (!field || field.value === null) return null;
  const wrong = (pointer: string, message: string): null => {
    findings.error('invalid_compensate', pointer, message);
    return null;
  };
  if (of === null || NO_EFFECT.has(of.type))
    return wrong(field.pointer, `compensate belongs to a step that acts; ${of ? `a ${of.type} step` : 'a step without a type'} does not.`);
  if (!isObject(field.value)) return wrong(field.pointer, 'compensate must be a mapping with "type".');
  const mapping = withCall(Mapping.of(field.value, field.pointer), findings);
  const covers = mapping.take('covers');
  const { word, action } = normaliseAction(mapping, 'nested', findings);
  if (word === null) findings.error('missing_field', field.pointer, 'compensate needs "type".');
  mapping.ignore('name', 'desc', 'description');
  for (const { key, pointer } of mapping.remaining()) wrong(pointer, `A compensation has no "${key}".`);
  if (covers && covers.value !== null && covers.value !== 'completed' && covers.value !== 'started')
    wrong(covers.pointer, 'covers must be completed or started.');
  if (action === null) return null;
  if (action.type === 'save' || NO_EFFECT.has(action.type)) return wrong(field.pointer, `A compensation cannot be of type ${action.type}.`);
  if (action.save.length > 0) return wrong(at(field.pointer, 'save'), 'A compensation has no "save".');
  return { action, covers: covers?.value === 'started' ? 'started' : 'completed' };
}
