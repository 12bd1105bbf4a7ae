import { compileTemplate, type Template } from '../template/template.js';
import { type Json } from '../values.js';

/** Compiles the texts of a workload that hold templates, each once, by their text. Yields after each. */
export function* collectTemplates(value: Json, found: Map<string, Template>): Generator<void, void, void> {
  if (typeof value === 'string') {
    if (found.has(value)) return;
    const template = compileTemplate(value);
    if (!template.isConstant) found.set(value, template);
    yield;
  } else if (value !== null && typeof value === 'object') {
    for (const entry of Object.values(value)) yield* collectTemplates(entry, found);
  }
}

/** What templates of a workload can ask before anything has run; whatever else one needs is known later, if ever. */
const KNOWN_AT_START: ReadonlySet<string> = new Set(['execution_id', 'job', 'env', 'workload']);

/** True where the text may have to wait for steps, or for names of the moment. */
export function isLateTemplate({ names }: Template): boolean {
  return [...names].some((name) => !KNOWN_AT_START.has(name));
}
