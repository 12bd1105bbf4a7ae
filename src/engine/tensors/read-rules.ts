import { type Findings } from '../playbook/findings.js';
import { at } from '../playbook/source-positions.js';
import { isObject, type Json, own } from '../values.js';
import { DATATYPES, isDatatype, MOST_DIMENSIONS, type TensorRule } from './tensor.js';

const KEYS = ['name', 'datatype', 'shape', 'from', 'as', 'optional'];
const MOST_TENSORS = 64;
const DIMENSION = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/**
 * Reads `spec.inputs` or `spec.outputs` of a model: a list of `{name, datatype, shape}`, as servers describe them, with `from` (the key of the inputs),
 * or `as` (the key of the outputs), and `optional`.
 */
export function readTensorRules(value: Json, pointer: string, findings: Findings): TensorRule[] {
  if (value === null) return [];
  if (!Array.isArray(value) || value.length > MOST_TENSORS) {
    findings.error('invalid_type', pointer, `This must be a list of at most ${MOST_TENSORS} tensors, each {name, datatype, shape}.`);
    return [];
  }
  const rules = value.flatMap((item, index) => ruleOf(item, at(pointer, index), findings) ?? []);
  for (const key of ['name', 'key'] as const) {
    const twice = rules.find((rule, index) => rules.findIndex((other) => other[key] === rule[key]) < index);
    if (twice) findings.error('invalid_value', pointer, `Two tensors have the ${key} "${twice[key]}".`);
  }
  return rules;
}

function ruleOf(item: Json, pointer: string, findings: Findings): TensorRule | null {
  const wrong = (key: string, message: string): null => {
    findings.error('invalid_value', key === '' ? pointer : at(pointer, key), message);
    return null;
  };
  if (!isObject(item)) return wrong('', 'A tensor is {name, datatype, shape}.');
  for (const key of Object.keys(item))
    if (!KEYS.includes(key)) findings.warn('unknown_field', at(pointer, key), `unknown key "${key}" in a tensor; it has no effect`);
  const name = own(item, 'name');
  if (typeof name !== 'string' || name === '' || name.length > 256) return wrong('name', 'A tensor has a name of 1-256 characters.');
  const datatype = own(item, 'datatype');
  if (!isDatatype(datatype)) return wrong('datatype', `datatype must be one of ${DATATYPES.join(', ')}.`);
  const shape = own(item, 'shape') ?? null;
  if (!Array.isArray(shape) || shape.length > MOST_DIMENSIONS || !shape.every(isDimension))
    return wrong('shape', `shape must be a list of at most ${MOST_DIMENSIONS} sizes: whole numbers, -1 for any, or names for equal ones.`);
  const optional = own(item, 'optional') ?? false;
  if (typeof optional !== 'boolean') return wrong('optional', 'optional must be true or false.');
  const key = own(item, 'from') ?? own(item, 'as') ?? name;
  if (typeof key !== 'string' || key === '') return wrong(Object.hasOwn(item, 'from') ? 'from' : 'as', 'This must be the name of a key.');
  return { name, datatype, shape: [...shape], key, optional };
}

function isDimension(size: Json): size is number | string {
  return typeof size === 'string' ? DIMENSION.test(size) : Number.isSafeInteger(size) && (size as number) >= -1;
}
