import { type Issue } from '../engine-error.js';
import { at } from '../playbook/source-positions.js';
import { isObject, type Json, type JsonObject, own } from '../values.js';
import { describeElement, elementsOf } from './element.js';
import { type Datatype, isDatatype, MOST_DIMENSIONS, sizeOf, type Tensor, type TensorRule } from './tensor.js';

/** More than these help nobody. */
const MOST_ISSUES = 20;

/** Sizes of the named dimensions. */
type Named = Map<string, number>;

/** Tensors as far as they could be read, and what is wrong. */
export interface TensorReading {
  readonly tensors: readonly Tensor[];
  /** Pointers are relative to the inputs. */
  readonly issues: readonly Issue[];
}

/**
 * Reads what a caller gives by name as the tensors that the rules ask for. A tensor is nested lists, or `{shape, data}` with elements nested or in a row;
 * it may repeat its `datatype`.
 * @param isClosed whether a key that no rule names is wrong
 */
export function readTensors(rules: readonly TensorRule[], inputs: JsonObject, isClosed: boolean): TensorReading {
  const issues: Issue[] = [];
  const named: Named = new Map();
  const tensors = rules.flatMap((rule) => {
    const value = own(inputs, rule.key) ?? null;
    const pointer = at('', rule.key);
    if (value !== null) return readTensor(rule, value, pointer, named, issues) ?? [];
    if (!rule.optional) wrong(issues, pointer, `is missing: the model needs the tensor "${rule.name}", ${wordsOf(rule)}`);
    return [];
  });
  const known = new Set(rules.map(({ key }) => key));
  if (isClosed)
    for (const key of Object.keys(inputs))
      if (!known.has(key)) wrong(issues, at('', key), 'is no tensor that the model takes', 'unknown_field');
  return { tensors, issues };
}

/** Reads inputs of which nothing is known before: each says by itself what it is, `{datatype, shape, data}`. */
export function readTypedTensors(inputs: JsonObject): TensorReading {
  const issues: Issue[] = [];
  const tensors = Object.entries(inputs).flatMap(([name, value]) => {
    const pointer = at('', name);
    const datatype = isObject(value) ? own(value, 'datatype') : undefined;
    const shape = isObject(value) ? own(value, 'shape') : undefined;
    if (!isObject(value) || !isDatatype(datatype) || !isShape(shape)) {
      wrong(issues, pointer, 'must be {datatype, shape, data}: nothing says what this tensor is');
      return [];
    }
    return readTensor({ name, key: name, datatype, shape: [...shape], optional: false }, value, pointer, new Map(), issues) ?? [];
  });
  return { tensors, issues };
}

/**
 * Checks tensors that a model gave against what they should be.
 * @param given their positions are the first segment of the pointers
 * @param taken the inputs they were made of, whose named dimensions count here too
 */
export function checkOutputs(
  rules: readonly TensorRule[],
  given: readonly JsonObject[],
  taken: { readonly rules: readonly TensorRule[]; readonly tensors: readonly Tensor[] },
): TensorReading {
  const issues: Issue[] = [];
  const named = namesOf(taken.rules, taken.tensors);
  const tensors = rules.flatMap((rule) => {
    const place = given.findIndex((tensor) => own(tensor, 'name') === rule.name);
    if (place < 0) {
      if (!rule.optional) wrong(issues, '', `has no tensor "${rule.name}"`);
      return [];
    }
    return readTensor(rule, given[place]!, at('', place), named, issues) ?? [];
  });
  return { tensors, issues };
}

function readTensor(rule: TensorRule, value: Json, pointer: string, named: Named, issues: Issue[]): Tensor | null {
  const before = issues.length;
  const parts = partsOf(rule, value, pointer, issues);
  if (!parts) return null;
  const { shape, data, dataAt } = parts;
  checkShape(rule, shape, parts.shapeAt, named, issues);
  if (issues.length > before) return null;
  const elements = elementsIn(data, shape, rule.datatype, dataAt, issues);
  return issues.length > before ? null : { name: rule.name, datatype: rule.datatype, shape, data: elements };
}

interface Parts {
  readonly shape: readonly number[];
  readonly shapeAt: string;
  readonly data: Json;
  readonly dataAt: string;
}

function partsOf(rule: TensorRule, value: Json, pointer: string, issues: Issue[]): Parts | null {
  if (!isObject(value)) return { shape: shapeOfLists(value, rule.shape.length), shapeAt: pointer, data: value, dataAt: pointer };
  const data = own(value, 'data') ?? null;
  if (data === null) return wrong(issues, pointer, `must be lists of elements, or {shape, data}: ${wordsOf(rule)}`);
  const datatype = own(value, 'datatype') ?? rule.datatype;
  if (datatype !== rule.datatype)
    return wrong(issues, at(pointer, 'datatype'), `is ${JSON.stringify(datatype).slice(0, 40)}, and must be ${rule.datatype}`);
  const dataAt = at(pointer, 'data');
  const shape = own(value, 'shape') ?? null;
  if (shape === null) return { shape: shapeOfLists(data, rule.shape.length), shapeAt: dataAt, data, dataAt };
  const shapeAt = at(pointer, 'shape');
  if (!isShape(shape)) return wrong(issues, shapeAt, `must be a list of at most ${MOST_DIMENSIONS} sizes`);
  return { shape, shapeAt, data, dataAt };
}

/** As the first element of each level says; the others are compared when they are read. */
function shapeOfLists(value: Json, depth: number): number[] {
  const shape: number[] = [];
  for (let level = value; Array.isArray(level) && shape.length < MOST_DIMENSIONS; level = level[0] ?? null) {
    shape.push(level.length);
    // An empty list says nothing of what would be in it.
    if (level.length === 0) while (shape.length < depth) shape.push(0);
  }
  return shape;
}

function checkShape(rule: TensorRule, shape: readonly number[], pointer: string, named: Named, issues: Issue[]): void {
  const empty = shape.indexOf(0);
  const names: Named = new Map(named);
  const fits = (wanted: number | string, axis: number): boolean => {
    const size = shape[axis]!;
    if (wanted === -1 || wanted === size || (empty >= 0 && axis > empty)) return true;
    if (typeof wanted === 'number') return false;
    if (!names.has(wanted)) names.set(wanted, size);
    return names.get(wanted) === size;
  };
  if (shape.length === rule.shape.length && rule.shape.every(fits)) {
    for (const [name, size] of names) named.set(name, size);
    return;
  }
  const known = [...named].filter(([name]) => rule.shape.includes(name)).map(([name, size]) => `${name} is ${size}`);
  const because = known.length > 0 ? ` (${known.join(', ')})` : '';
  wrong(issues, pointer, `has the shape [${shape.join(', ')}], and must have [${shapeWords(rule)}]${because}`);
}

/** The elements in a row; nested lists must have exactly the shape. */
function elementsIn(data: Json, shape: readonly number[], datatype: Datatype, pointer: string, issues: Issue[]): Json[] {
  const read = elementsOf(datatype);
  const elements: Json[] = [];
  // Elements in a row fit any shape of so many; a scalar travels as a list of one, too.
  const isRow = Array.isArray(data) && shape.length !== 1 && data.length === sizeOf(shape) && !Array.isArray(data[0]);
  const row = (values: readonly Json[], place: string): void => {
    for (let index = 0; index < values.length && issues.length < MOST_ISSUES; index += 1) {
      const value = read(values[index]!);
      if (value !== undefined) elements.push(value);
      else wrong(issues, at(place, index), `must be ${describeElement(datatype)}`);
    }
  };
  const level = (value: Json, axis: number, place: string): void => {
    const length = shape[axis];
    if (!Array.isArray(value) || value.length !== length)
      return void wrong(issues, place, `must be a list of ${length}, as its shape [${shape.join(', ')}] says`);
    if (axis === shape.length - 1) return row(value, place);
    for (let index = 0; index < length && issues.length < MOST_ISSUES; index += 1) level(value[index]!, axis + 1, at(place, index));
  };
  if (isRow) row(data, pointer);
  else if (shape.length === 0) row([data], pointer);
  else if (sizeOf(shape) !== 0) level(data, 0, pointer);
  else if (Array.isArray(data) && data.flat(MOST_DIMENSIONS).length > 0) wrong(issues, pointer, 'has elements, and its shape has none');
  return elements;
}

function namesOf(rules: readonly TensorRule[], tensors: readonly Tensor[]): Named {
  const named: Named = new Map();
  for (const { name, shape } of tensors) {
    const rule = rules.find((each) => each.name === name);
    rule?.shape.forEach((wanted, axis) => typeof wanted === 'string' && named.set(wanted, shape[axis]!));
  }
  return named;
}

function isShape(value: Json | undefined): value is number[] {
  return (
    Array.isArray(value) && value.length <= MOST_DIMENSIONS && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)
  );
}

function wordsOf(rule: TensorRule): string {
  return `${rule.datatype} [${shapeWords(rule)}]`;
}

function shapeWords({ shape }: TensorRule): string {
  return shape.map((size) => (size === -1 ? 'any' : String(size))).join(', ');
}

function wrong(issues: Issue[], pointer: string, message: string, code: Issue['code'] = 'invalid_tensor'): null {
  if (issues.length < MOST_ISSUES) issues.push({ code, pointer, message });
  return null;
}
