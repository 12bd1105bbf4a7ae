import { type AssertPath, type AssertSpec } from '../playbook/playbook.js';
import { type ValueAliases } from '../step-executor.js';
import { type Scope, TemplateReference } from '../template/scope.js';
import { isObject, type Json, type JsonObject, own } from '../values.js';

/** Paths of `assert.expects` that are neither in the inputs nor anywhere in the context (playbook language §9). */
export function missingInputs(spec: AssertSpec, inputs: JsonObject, auth: Json, scope: Scope): string[] {
  return unmet(spec.expects, (path) => {
    // Credentials are declared here and never read.
    if (path[0] === 'auth') {
      const isDeclared = isObject(auth) && (path.length === 1 || Object.hasOwn(auth, path[1]!));
      return isDeclared || typeof auth === 'string' ? {} : undefined;
    }
    const inInputs = walk(inputs, path) ?? (path[0] === 'data' ? walk(inputs, path.slice(1)) : undefined);
    return inInputs ?? walkScope(scope, path);
  });
}

/**
 * Paths of `assert.returns` that the value does not have: looked up in V, in V.data, and in what `data` and `result` (V) and
 * `this` (the envelope around V, §3.2) mean, then among the tables of the step's database.
 * @param tables of those that may be meant, the ones that are there
 */
export function missingOutputs(spec: AssertSpec, value: Json, aliases: ValueAliases | undefined, tables: readonly string[] = []): string[] {
  return unmet(spec.returns, (path) => output(value, path, aliases) ?? (tables.includes(path.join('.')) ? {} : undefined));
}

function output(value: Json, path: readonly string[], aliases: ValueAliases | undefined): unknown {
  const inner = isObject(value) ? own(value, 'data') : undefined;
  const [head, ...rest] = path;
  const isValue = head === 'data' || head === 'result';
  return (
    walk(value, path) ??
    (isValue ? (walk(value, rest) ?? (inner === undefined ? undefined : walk(inner, rest))) : undefined) ??
    (inner === undefined ? undefined : walk(inner, path)) ??
    aliased(value, path, aliases) ??
    (isValue ? aliased(value, rest, aliases) : undefined) ??
    (head === 'this' ? inEnvelope(value, rest, aliases) : undefined)
  );
}

/** An envelope has a status, whatever is in it. */
function inEnvelope(value: Json, path: readonly string[], aliases: ValueAliases | undefined): unknown {
  return output(value, path, aliases) ?? (path.length === 0 || path.join('.') === 'status' ? 'success' : undefined);
}

function aliased(value: Json, [head, ...rest]: readonly string[], aliases: ValueAliases | undefined): unknown {
  const alias = head !== undefined && aliases && Object.hasOwn(aliases, head) ? aliases[head] : undefined;
  if (typeof alias === 'function') return walk(alias(value), rest);
  return alias === undefined ? undefined : walk(value, [alias, ...rest]);
}

function unmet(paths: readonly AssertPath[], find: (path: string[]) => unknown): string[] {
  return paths.flatMap(({ path, type }) => {
    const found = find(path.split('.'));
    if (found === undefined || found === null) return [path];
    const actual = Array.isArray(found) ? 'array' : typeof found;
    return type === null || type === actual ? [] : [`${path} (${actual}, expected ${type})`];
  });
}

function walk(value: unknown, path: readonly string[]): unknown {
  let at: unknown = value;
  for (const key of path) {
    if (at instanceof TemplateReference) at = at.get(key) ?? (/^\d+$/.test(key) ? at.get(Number(key)) : undefined);
    else if (Array.isArray(at)) at = at[Number(key)];
    else if (isObject(at)) at = own(at, key);
    else return undefined;
  }
  return at instanceof TemplateReference ? at.unwrap() : at;
}

function walkScope(scope: Scope, path: readonly string[]): unknown {
  return walk(scope.lookup(path[0]!), path.slice(1));
}
