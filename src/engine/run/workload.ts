import { type CompiledPlaybook } from '../playbook/compiled.js';
import { type Rendering } from '../template/rendering.js';
import { isObject, type Json, type JsonObject } from '../values.js';

/**
 * Lays the caller's parameters over the document's workload (playbook language §4.1): shallow, or deep with `merge`
 * (mappings recursively; lists and scalars, null included, replace). Neither drops keys of the base.
 */
export function mergeWorkload(base: JsonObject, parameters: JsonObject, merge: boolean): JsonObject {
  if (Object.keys(parameters).length === 0) return base;
  const merged: JsonObject = { ...base };
  for (const [key, value] of Object.entries(parameters)) {
    const below = Object.hasOwn(merged, key) ? merged[key]! : null;
    merged[key] = merge && isObject(below) && isObject(value) ? mergeWorkload(below, value, true) : value;
  }
  return merged;
}

/**
 * The workload of a new run. Strings of the document are rendered once; what a template needs and is not known yet keeps
 * its text and is rendered on use; what the caller sent is data and never rendered.
 * @returns null where the workload is the plain merge, which a claim can compute again from entry and parameters.
 */
export function renderWorkload(
  playbook: CompiledPlaybook,
  parameters: JsonObject,
  merge: boolean,
  run: { executionId: string; env: Readonly<Record<string, string>> },
  rendering: Rendering,
): JsonObject | null {
  if (playbook.plainWorkload) return null;
  const base = playbook.playbook.workload;
  const known: Readonly<Record<string, unknown>> = {
    execution_id: run.executionId,
    job: { id: run.executionId, uuid: run.executionId, execution_id: run.executionId },
    env: { ...run.env },
    workload: mergeWorkload(base, parameters, merge),
  };
  const scope = { lookup: (name: string): unknown => (Object.hasOwn(known, name) ? known[name] : undefined) };
  const render = (value: Json): Json => {
    if (typeof value === 'string') return renderText(value);
    if (Array.isArray(value)) return value.map(render);
    if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, render(entry)]));
    return value;
  };
  const renderText = (text: string): Json => {
    const template = playbook.workloadTemplates.get(text);
    if (!template) return text;
    for (const name of template.names) {
      if (!Object.hasOwn(known, name)) return text;
    }
    return template.render(scope, rendering);
  };
  return mergeWorkload(render(base) as JsonObject, parameters, merge);
}
