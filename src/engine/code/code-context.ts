import { type ErrorCode } from '../error-codes.js';
import { StepFailure } from '../step-executor.js';
import { type Rendering } from '../template/rendering.js';
import { type Scope, TemplateReference } from '../template/scope.js';
import { isObject, type Json, type JsonObject, own } from '../values.js';

const MAX_CONTEXT_CHARACTERS = 8 * 1_048_576;
/** Names of templates that are not part of `context`. */
const TEMPLATE_ONLY = new Set([
  'context',
  'steps',
  'env',
  'job',
  'work',
  'vars',
  'parameters',
  'metadata',
  'this',
  'result',
  'data',
  'input',
  'error',
  'workload',
]);

/** The scope as a template of this rendering sees it, for code, which is given values and renders nothing. */
export const scopeFor = (scope: Scope, rendering: Rendering): Scope => ({ lookup: (name) => scope.lookup(name, rendering) });

/** The JSON that a dotted name stands for in the scope, or undefined where it is not known. */
export function valueAt(scope: Scope, [root, ...path]: readonly string[]): Json | undefined {
  let value = root === undefined ? undefined : scope.lookup(root);
  for (const key of path) {
    if (value instanceof TemplateReference) value = value.get(key);
    else if (Array.isArray(value)) value = /^\d+$/.test(key) ? value[Number(key)] : undefined;
    else value = isObject(value) ? own(value, key) : undefined;
  }
  return plain(value);
}

/** Values for parameters of main() that no input names: inside an iterator the item as `value`; finished steps and workload keys (lowest priority). */
export function fallbacksOf(parameters: readonly string[], inputs: JsonObject, scope: Scope): JsonObject {
  const found: JsonObject = {};
  const item = itemIn(scope);
  for (const name of parameters) {
    if (Object.hasOwn(inputs, name)) continue;
    const value =
      name === 'value' && item !== undefined ? item : TEMPLATE_ONLY.has(name) ? ownNamed(scope, name) : plain(scope.lookup(name));
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** All that could be such a value, for code whose parameters nobody has read yet. */
export function allFallbacks(scope: Scope): JsonObject {
  const [workload, steps, item] = [valueAt(scope, ['workload']), valueAt(scope, ['steps']), itemIn(scope)];
  return { ...(isObject(workload) ? workload : {}), ...(isObject(steps) ? steps : {}), ...(item === undefined ? {} : { value: item }) };
}

/** A finished step or workload key whose name means something else in templates. */
function ownNamed(scope: Scope, name: string): Json | undefined {
  return valueAt(scope, ['steps', name]) ?? valueAt(scope, ['workload', name]);
}

/** The item of the innermost iterator; undefined outside of any. */
function itemIn(scope: Scope): Json | undefined {
  const loop = plain(scope.lookup('_loop'));
  return isObject(loop) ? own(loop, 'item') : undefined;
}

/**
 * What `context` is in the code: execution_id, workload, every finished step as {status, data} merged with its value's own
 * keys, the names of the iteration, and the inputs. Throws StepFailure (`fault`) where that is above 8 Mi characters of JSON.
 */
export function contextOf(code: string, inputs: JsonObject, scope: Scope, fault: ErrorCode): JsonObject {
  const context: JsonObject = { execution_id: valueAt(scope, ['execution_id']) ?? null, workload: valueAt(scope, ['workload']) ?? {} };
  Object.assign(context, stepsOf(scope), iterationOf(code, scope), inputs);
  if (JSON.stringify(context).length > MAX_CONTEXT_CHARACTERS) {
    throw new StepFailure(fault, 'context is larger than 8 MiB here: give the step what it needs as data', { retryable: false });
  }
  return context;
}

function stepsOf(scope: Scope): JsonObject {
  const steps = scope.lookup('steps');
  const values = plain(steps);
  if (!isObject(values)) return {};
  return Object.fromEntries(
    Object.entries(values).map(([name, data]) => {
      const reference = steps instanceof TemplateReference ? steps.get(name) : undefined;
      const status = reference instanceof TemplateReference ? plain(reference.get('status')) : undefined;
      return [name, { status: status ?? 'success', data, ...(isObject(data) ? data : {}) }];
    }),
  );
}

/** Inside an iterator: _loop, item, and those names of the iteration that the code writes out, as in context.get('city'). */
function iterationOf(code: string, scope: Scope): JsonObject {
  const loop = plain(scope.lookup('_loop'));
  if (!isObject(loop)) return {};
  const workload = valueAt(scope, ['workload']);
  const names: JsonObject = { _loop: loop, item: own(loop, 'item') ?? null };
  for (const [, name] of code.matchAll(/['"]([A-Za-z_]\w*)['"]/g)) {
    if (name === undefined || TEMPLATE_ONLY.has(name) || (isObject(workload) && Object.hasOwn(workload, name))) continue;
    const value = plain(scope.lookup(name));
    if (value !== undefined) names[name] = value;
  }
  return names;
}

/** A looked-up value as JSON: references give what they stand for. */
function plain(value: unknown): Json | undefined {
  return value instanceof TemplateReference ? plain(value.unwrap()) : (value as Json | undefined);
}
