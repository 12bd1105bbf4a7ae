import { isObject, type Json, type JsonObject } from '../values.js';
import { type Findings } from './findings.js';
import { joinOf } from './joins.js';
import { type Field, Mapping } from './mapping.js';
import { normaliseAction, STEP_KEYS, warnUnknown, withCall } from './normalise-action.js';
import { normaliseCompensate } from './normalise-compensate.js';
import { type EdgePlaces, normaliseNext, normaliseOnError, normaliseOnTimeout } from './normalise-next.js';
import { normaliseSaves } from './normalise-save.js';
import { IDENTIFIER, mergeInputs, textOf } from './normalise-values.js';
import { type Action, type Step, type WorkbookTask } from './playbook.js';

/** A step before the roles are given out. */
export interface StepDraft {
  readonly step: Omit<Step, 'role'>;
  readonly pointer: string;
  /** `type: start` or `type: end` on a step of any name. */
  readonly says: 'start' | 'end' | null;
  readonly hasNext: boolean;
  /** Where it says how it joins; null where it does not. */
  readonly joinPointer: string | null;
}

/** Keys of an action that mean nothing on a step without one. */
const ROUTER_INPUTS = ['with', 'args', 'params', 'input', 'data'] as const;

export function normaliseStep(value: Json, pointer: string, line: number, findings: Findings, places: EdgePlaces): StepDraft | null {
  if (!isObject(value)) {
    findings.error('invalid_type', pointer, 'A step must be a mapping with "step".');
    return null;
  }
  const mapping = withCall(Mapping.of(value, pointer), findings);
  const name = nameOf(mapping, findings);
  const next = mapping.take('next');
  const on = { pass: mapping.take('pass'), when: mapping.take('when'), vars: mapping.take('vars'), result: mapping.take('result') };
  const joinField = mapping.take('join');
  const join = joinOf(joinField, findings);
  const onTimeout = mapping.peek('on_timeout');
  const undo = mapping.take('compensate');
  const { word, action } = normaliseAction(mapping, 'step', findings);
  const canTimeOut = action?.type === 'wait_for' || action?.type === 'input' || action?.type === 'approval';
  if (canTimeOut) mapping.take('on_timeout');
  const router =
    action === null
      ? { data: mergeInputs(mapping, ROUTER_INPUTS, findings), save: normaliseSaves(mapping.take('save', 'sink'), findings) }
      : { data: {}, save: [] };
  const onError = mapping.take('on_error');
  const as = mapping.take('as');
  const compensate = normaliseCompensate(undo, action, findings);
  mapping.ignore(...STEP_KEYS, 'id');
  warnUnknown(mapping, action === null ? 'a step without a type' : 'step', findings);
  if (name === null) return null;
  const nextEntries = next ? normaliseNext(next.value, next.pointer, findings, places) : [];
  return {
    pointer,
    says: word === 'start' || word === 'end' ? word : null,
    hasNext: nextEntries.length > 0,
    joinPointer: joinField?.pointer ?? null,
    step: {
      name,
      line,
      action,
      ...router,
      next: nextEntries,
      onError: normaliseOnError(onError?.value ?? null, onError?.pointer ?? pointer, findings, places),
      onTimeout: canTimeOut && onTimeout ? normaliseOnTimeout(onTimeout.value, onTimeout.pointer, findings, places) : null,
      pass: on.pass?.value ?? null,
      when: on.when?.value ?? null,
      vars: varsOf(on.vars, findings),
      result: on.result?.value ?? null,
      hasResult: on.result !== null,
      as: asOf(as, findings),
      ...(join === undefined ? {} : { join }),
      ...(compensate ? { compensate } : {}),
    },
  };
}

/** A reusable action of the workbook; null where it has no usable name or type. */
export function normaliseTask(value: Json, pointer: string, findings: Findings): WorkbookTask | null {
  if (!isObject(value)) {
    findings.error('invalid_type', pointer, 'A workbook task must be a mapping with "name" and "type".');
    return null;
  }
  const whole = Mapping.of(value, pointer);
  const name = whole.take('name', 'task');
  const mapping = withCall(whole, findings);
  const { word, action } = normaliseAction(mapping, 'task', findings);
  mapping.ignore('desc', 'description', 'as', 'id');
  if (word === null && (mapping.peek('run')?.value ?? null) === null)
    findings.error('missing_field', pointer, 'A workbook task needs "type".');
  warnUnknown(mapping, 'task', findings);
  const text = name ? textOf(name.value) : null;
  if (!text) findings.error('missing_field', pointer, 'A workbook task needs "name".');
  return text && action ? { ...(action satisfies Action), name: text } : null;
}

function nameOf(mapping: Mapping, findings: Findings): string | null {
  const step = mapping.take('step');
  // `name` is the step's own name where `step` is absent; it may at the same time name the workbook task.
  const field = step ?? mapping.take('name');
  if (!field || field.value === null) {
    findings.error('missing_field', mapping.pointer, 'A step needs a name: "step: <name>".');
    return null;
  }
  const name = textOf(field.value) ?? '';
  if (!IDENTIFIER.test(name))
    findings.error(
      'invalid_step_name',
      field.pointer,
      `"${name}" is no step name: letters, digits, "_" and "-", not beginning with a digit or "-".`,
    );
  return name;
}

function varsOf(field: Field | null, findings: Findings): JsonObject {
  if (!field || field.value === null) return {};
  if (isObject(field.value)) return field.value;
  findings.error('invalid_type', field.pointer, 'vars must be a mapping of names to templates.');
  return {};
}

function asOf(field: Field | null, findings: Findings): string | null {
  if (!field || field.value === null) return null;
  if (typeof field.value === 'string' && IDENTIFIER.test(field.value)) return field.value;
  findings.error('invalid_value', field.pointer, 'as must be an identifier.');
  return null;
}
