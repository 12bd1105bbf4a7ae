import { compileValue, type ValueTemplate } from '../template/template.js';
import { type Json, type JsonObject } from '../values.js';

/** Inputs are a mapping of templates or one lone template that gives a mapping. */
export function compileInputs(data: JsonObject | string): ValueTemplate {
  return compileValue(data === '' ? {} : data);
}

/** The bare words data, result and this name the value (real documents write `data: data`); other text is literal or a template. */
export function compileSaveData(data: Json): ValueTemplate {
  const bare = (value: Json): Json => (value === 'data' || value === 'result' || value === 'this' ? `{{ ${value} }}` : value);
  if (typeof data === 'string') return compileValue(bare(data));
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return compileValue(data);
  return compileValue(Object.fromEntries(Object.entries(data).map(([key, value]) => [key, bare(value)])));
}
