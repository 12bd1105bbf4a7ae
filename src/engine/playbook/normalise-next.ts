import { isObject, type Json } from '../values.js';
import { type Findings } from './findings.js';
import { Mapping } from './mapping.js';
import { mergeInputs } from './normalise-values.js';
import { type EdgeTarget, type NextEntry, type OnError } from './playbook.js';
import { at } from './source-positions.js';

/** Edge inputs, the strongest name last. */
const EDGE_INPUTS = ['with', 'args', 'payload', 'input', 'data'] as const;

/** Where each edge target stands, so that an unknown name can be shown. */
export type EdgePlaces = Map<EdgeTarget, string>;

/** `next` in all its forms: a name, a list of names or entries, or a single entry. */
export function normaliseNext(value: Json, pointer: string, findings: Findings, places: EdgePlaces): NextEntry[] {
  if (value === null) return [];
  if (!Array.isArray(value)) return entry(value, pointer, findings, places);
  return value.flatMap((item, index) => entry(item, at(pointer, index), findings, places));
}

/** `on_error`: fail, continue, a step, or `{step, data}`. */
export function normaliseOnError(value: Json, pointer: string, findings: Findings, places: EdgePlaces): OnError {
  if (value === null || value === 'fail') return { kind: 'fail' };
  if (value === 'continue') return { kind: 'continue' };
  const target = reference(value, pointer, findings, places, 'on_error');
  return target ? { kind: 'goto', target } : { kind: 'fail' };
}

/** `on_timeout`: a step, or `{step, data}`; null where there is none. */
export function normaliseOnTimeout(value: Json, pointer: string, findings: Findings, places: EdgePlaces): EdgeTarget | null {
  return value === null ? null : reference(value, pointer, findings, places, 'on_timeout');
}

function entry(value: Json, pointer: string, findings: Findings, places: EdgePlaces): NextEntry[] {
  if (!isObject(value)) {
    const target = reference(value, pointer, findings, places);
    return target ? [{ kind: 'plain', then: [target] }] : [];
  }
  const mapping = Mapping.of(value, pointer);
  const [when, step, then, otherwise] = [mapping.take('when'), mapping.take('step'), mapping.take('then'), mapping.take('else')];
  if (step && (then || otherwise)) {
    findings.error('invalid_next', pointer, 'An entry of next has either "step" or "then"/"else", not both.');
    return [];
  }
  const targets = step
    ? [edge(step.value, step.pointer, mapping, findings, places)]
    : references(then?.value ?? [], then?.pointer ?? pointer, findings, places);
  const others = references(otherwise?.value ?? [], otherwise?.pointer ?? pointer, findings, places);
  if (!refuseUnknown(mapping, findings)) return [];
  const reached = targets.filter((target) => target !== null);
  // A `when` that was left empty is no condition.
  if (when && when.value !== null) {
    if (!step && !then && !otherwise)
      findings.error('invalid_next', pointer, 'An entry of next with "when" needs "then", "else" or "step".');
    return [{ kind: 'when', when: when.value, then: reached, else: others }];
  }
  if (otherwise && then) {
    findings.error('invalid_next', pointer, 'An entry of next with both "then" and "else" needs "when".');
    return [];
  }
  if (otherwise) return [{ kind: 'else', then: others }];
  if (!step && !then) findings.error('invalid_next', pointer, 'An entry of next needs "step", "when", "then" or "else".');
  return [{ kind: 'plain', then: reached }];
}

function references(value: Json, pointer: string, findings: Findings, places: EdgePlaces): EdgeTarget[] {
  const list = Array.isArray(value)
    ? value.map((item, index) => reference(item, at(pointer, index), findings, places))
    : [reference(value, pointer, findings, places)];
  return list.filter((target) => target !== null);
}

/** A step named alone or as `{step, data}`. */
function reference(value: Json, pointer: string, findings: Findings, places: EdgePlaces, where = 'next'): EdgeTarget | null {
  if (!isObject(value)) return target(value, {}, pointer, findings, places, where);
  const mapping = Mapping.of(value, pointer);
  const step = mapping.take('step');
  const found = step ? edge(step.value, step.pointer, mapping, findings, places, where) : null;
  const clean = refuseUnknown(mapping, findings, where);
  if (!step && clean) findings.error('invalid_next', pointer, `An entry of ${where} needs "step".`);
  return found;
}

function edge(name: Json, pointer: string, mapping: Mapping, findings: Findings, places: EdgePlaces, where = 'next'): EdgeTarget | null {
  return target(name, mergeInputs(mapping, EDGE_INPUTS, findings), pointer, findings, places, where);
}

function target(
  name: Json,
  data: EdgeTarget['data'],
  pointer: string,
  findings: Findings,
  places: EdgePlaces,
  where: string,
): EdgeTarget | null {
  if (typeof name !== 'string' || name.trim() === '') {
    findings.error('invalid_next', pointer, `${where} must name a step.`);
    return null;
  }
  const found = { step: name.trim(), data };
  places.set(found, pointer);
  return found;
}

function refuseUnknown(mapping: Mapping, findings: Findings, where = 'next'): boolean {
  mapping.ignore('desc', 'description');
  const unknown = mapping.remaining();
  for (const { key, pointer } of unknown) {
    const hint =
      key === 'condition' ? '; a condition is written as "when"' : key.startsWith('-') ? '; a list entry needs a blank after "-"' : '';
    findings.error('invalid_next', pointer, `unknown key "${key}" in ${where}${hint}`);
  }
  return unknown.length === 0;
}
