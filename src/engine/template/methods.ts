import { isObject, type Json, type JsonObject } from '../values.js';
import { element, isRefusedName, itemOf, settled } from './access.js';
import { type Frame } from './frame.js';
import { equal, itemsOf, kindOf } from './operators.js';
import { TemplateReference } from './scope.js';
import { TemplateError } from './template-error.js';
import { type Method, TEXT_METHODS } from './text-methods.js';

/** Copying what a list or mapping has is cheap next to an evaluation step. */
const ITEMS_PER_STEP = 16;

const MAPPING_METHODS: ReadonlyMap<string, Method<JsonObject>> = new Map<string, Method<JsonObject>>([
  ['get', (value, [key, fallback]) => {
    const name = settled(key);
    if (typeof name !== 'string' || isRefusedName(name) || !Object.hasOwn(value, name)) return fallback ?? null;
    return value[name];
  }],
  ['keys', (value, _args, rendering) => itemsOf(value, rendering)],
  ['values', (value, _args, rendering) => itemsOf(value, rendering).map((key) => value[key as string] as Json)],
  ['items', (value, _args, rendering) => itemsOf(value, rendering).map((key) => [key, value[key as string] as Json])],
  // Of the `loop` of a for.
  ['cycle', (value, args) => {
    const at = value['index0'];
    if (typeof at !== 'number' || args.length === 0) throw new TemplateError('cycle belongs to loop, and needs values.');
    return args[at % args.length];
  }],
]); // prettier-ignore

const LIST_METHODS: ReadonlyMap<string, Method<readonly Json[]>> = new Map<string, Method<readonly Json[]>>([
  ['index', (value, [item], rendering) => {
    const at = value.findIndex((each) => { rendering.spend(1); return equal(each, item, rendering); });
    if (at < 0) throw new TemplateError('index: the list has no such item.');
    return at;
  }],
  ['count', (value, [item], rendering) => value.filter((each) => { rendering.spend(1); return equal(each, item, rendering); }).length],
]); // prettier-ignore

/** Methods that change a value: only one that the template has made itself, so that nothing of a run ever changes. */
const CHANGES: ReadonlyMap<string, Method<Json[] | JsonObject>> = new Map<string, Method<Json[] | JsonObject>>([
  ['append', (value, [item]) => {
    if (!Array.isArray(value)) throw new TemplateError('append belongs to lists.');
    value.push(element(item));
  }],
  ['extend', (value, [items], rendering) => {
    if (!Array.isArray(value)) throw new TemplateError('extend belongs to lists.');
    for (const item of itemsOf(items, rendering).slice()) value.push(item);
  }],
  ['update', (value, [pairs], rendering, named) => {
    const added = settled(pairs) ?? {};
    if (Array.isArray(value) || !isObject(added)) throw new TemplateError('update belongs to mappings, and needs one.');
    rendering.spend(Object.keys(added).length);
    Object.assign(value, added, named);
  }],
]); // prettier-ignore

/** True where a template with this method may change values, so that what it makes has to be known. */
export function isChange(method: string): boolean {
  return CHANGES.has(method);
}

/** Calls a method of the fixed list; everything else throws template_error. Objects of the host have none that could be reached. */
export function callMethod(value: unknown, name: string, args: readonly unknown[], named: JsonObject, frame: Frame): unknown {
  const { rendering } = frame;
  if (name === 'get' && value instanceof TemplateReference) return getFromReference(value, args);
  const plain = settled(value);
  if (typeof plain === 'string') {
    const method = TEXT_METHODS.get(name);
    rendering.spendLook(plain.length);
    if (method !== undefined) return method(plain, args, rendering, named);
  } else if (Array.isArray(plain) || isObject(plain)) {
    if (name === 'copy') {
      rendering.spend(Math.ceil((Array.isArray(plain) ? plain : Object.keys(plain)).length / ITEMS_PER_STEP));
      return frame.madeHere(Array.isArray(plain) ? [...(plain as Json[])] : { ...plain });
    }
    if (CHANGES.has(name)) return change(plain as Json[] | JsonObject, name, args, named, frame);
    const method = Array.isArray(plain) ? LIST_METHODS.get(name) : MAPPING_METHODS.get(name);
    if (method !== undefined) return method(plain as never, args, rendering, named);
  }
  throw new TemplateError(`unknown method: ${kindOf(plain)} has no method ${name}.`);
}

/** A step answers .get(k) as it answers .k, so that both spellings find the same thing. */
function getFromReference(reference: TemplateReference, [key, fallback]: readonly unknown[]): unknown {
  const name = settled(key);
  const found = typeof name === 'string' ? itemOf(reference, name) : undefined;
  return found ?? fallback ?? null;
}

/** As in Python these give nothing back. */
function change(value: Json[] | JsonObject, name: string, args: readonly unknown[], named: JsonObject, frame: Frame): null {
  if (!frame.isMadeHere(value)) {
    throw new TemplateError(
      `${name} changes only what the template has made ([…], {…}, dict(…), .copy()), and this is not: use + or .copy().`,
    );
  }
  frame.rendering.spend(1);
  CHANGES.get(name)?.(value, args, frame.rendering, named);
  return null;
}
