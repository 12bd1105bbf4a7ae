import { isObject, type Json, type JsonObject } from '../values.js';
import { type Findings } from './findings.js';
import { type Mapping } from './mapping.js';
import { mergeInputs } from './normalise-values.js';

/**
 * Inputs of an http action. Which part of plain `data` is query and which is body depends on the method, known when the
 * step runs; `params` and `payload` (body, json) say it outright and become `data.query` and `data.body`. What `data`
 * itself says wins.
 */
export function httpInputs(mapping: Mapping, names: readonly string[], findings: Findings): JsonObject | string {
  const list = mapping.peek('data');
  // A JSON body may be a list; inputs are a mapping, so it moves to its explicit place.
  const body = Array.isArray(list?.value) ? mapping.take('data') : null;
  const data = mergeInputs(mapping, body ? names.filter((name) => name !== 'data') : names, findings);
  const query = mapping.take('params');
  const payload = body ?? mapping.take('payload', 'body', 'json');
  mapping.ignore('payload', 'body', 'json');
  if ((!query || query.value === null) && !payload) return data;
  if (typeof data === 'string') {
    const lost = query ?? payload;
    findings.error(
      'ambiguous_field',
      lost?.pointer ?? mapping.pointer,
      `"${lost?.key ?? 'params'}" cannot be combined with "data" as one template; write data as a mapping.`,
    );
    return data;
  }
  return {
    ...data,
    ...(query && query.value !== null ? { query: laid(data['query'], query.value) } : {}),
    ...(payload ? { body: laid(data['body'], payload.value) } : {}),
  };
}

/** Mappings are merged, the stronger one on top; anything else is replaced. */
function laid(stronger: Json | undefined, weaker: Json): Json {
  if (stronger === undefined) return weaker;
  return isObject(stronger) && isObject(weaker) ? { ...weaker, ...stronger } : stronger;
}
