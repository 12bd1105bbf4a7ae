import { type Json, type JsonObject } from '../values.js';
import { type Findings } from './findings.js';
import { type Field, type Mapping } from './mapping.js';
import { fits, IDENTIFIER, isTemplate } from './normalise-values.js';

/** How deep iterators may stand inside each other. */
export const MAX_ITERATOR_DEPTH = 8;

/**
 * The fields of an iterator, from `type: iterator`, `type: loop` or a `loop:` mapping on a step: collection, element,
 * mode (`sequential`, `async`), and where given concurrency, where, order_by, limit, chunk, enumerate, on_error.
 * `spelling` (`iterator`, `loop`) stays, because the value of the `loop:` form has another shape.
 */
export function iteratorFields(mapping: Mapping, spelling: 'iterator' | 'loop', findings: Findings): JsonObject {
  const listData = mapping.peek('data');
  const collection = mapping.take('collection', 'in') ?? (Array.isArray(listData?.value) ? mapping.take('data') : null);
  const element = mapping.take('element', 'iterator');
  if (!collection || collection.value === null)
    findings.error('missing_field', mapping.pointer, 'An iterator needs "collection": a list or a template that gives one.');
  if (!element || element.value === null)
    findings.error('missing_field', mapping.pointer, 'An iterator needs "element": the name under which its task sees the item.');
  else if (typeof element.value !== 'string' || !IDENTIFIER.test(element.value))
    findings.error('invalid_value', element.pointer, 'element must be an identifier.');
  const fields: JsonObject = {
    collection: collection?.value ?? null,
    element: element?.value ?? null,
    mode: modeOf(mapping, findings),
    spelling,
  };
  const keep = (name: string, field: Field | null, accepts: (value: Json) => boolean, what: string): void => {
    if (!field || field.value === null) return;
    if (!isTemplate(field.value) && !accepts(field.value)) findings.error('invalid_value', field.pointer, `${field.key} must be ${what}.`);
    fields[name] = field.value;
  };
  const atLeastOne = (value: Json): boolean => fits(value, 'count') && Number(value) >= 1;
  keep('concurrency', mapping.take('concurrency'), atLeastOne, 'a whole number from 1');
  keep('where', mapping.take('where', 'filter'), (value) => typeof value === 'string' || typeof value === 'boolean', 'an expression');
  keep('order_by', mapping.take('order_by'), (value) => typeof value === 'string', 'an expression');
  keep('limit', mapping.take('limit'), (value) => fits(value, 'count'), 'a whole number from 0');
  keep('chunk', mapping.take('chunk'), atLeastOne, 'a whole number from 1');
  keep('enumerate', mapping.take('enumerate'), (value) => fits(value, 'bool'), 'true or false');
  const onError = mapping.peek('on_error');
  if (onError?.value === 'fail' || onError?.value === 'continue') fields['on_error'] = mapping.take('on_error')?.value ?? null;
  return fields;
}

function modeOf(mapping: Mapping, findings: Findings): Json {
  const mode = mapping.take('mode');
  const parallel = mapping.take('parallel');
  if (!mode || mode.value === null) return parallel?.value === true ? 'async' : 'sequential';
  if (isTemplate(mode.value)) return mode.value;
  if (mode.value === 'async' || mode.value === 'parallel') return 'async';
  // Older dialects say here what is iterated; the kind of iteration is then `parallel: true` or the default.
  if (mode.value === 'workbook' || mode.value === 'playbooks') return parallel?.value === true ? 'async' : 'sequential';
  if (mode.value !== 'sequential') findings.error('invalid_value', mode.pointer, 'mode must be sequential or async.');
  return 'sequential';
}
