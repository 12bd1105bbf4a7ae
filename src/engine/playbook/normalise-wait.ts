import { EngineError } from '../engine-error.js';
import { durationMs } from '../run/durations.js';
import { timeMs } from '../run/times.js';
import { type JsonObject } from '../values.js';
import { type Findings } from './findings.js';
import { requestIssues } from './input-requests.js';
import { compileJsonSchema } from './json-schema.js';
import { type Mapping } from './mapping.js';
import { isTemplate } from './normalise-values.js';

/** Names of signals: what a URL, a log line and a template can hold without escaping. */
export const SIGNAL_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$/;

/** `type: wait` takes a duration or a time, not both; what is no template must read as one. */
export function checkWait(fields: JsonObject, mapping: Mapping, findings: Findings): void {
  const { duration, until } = fields;
  const where = (name: string): string => mapping.peek(name)?.pointer ?? mapping.pointer;
  if (duration !== undefined && until !== undefined)
    findings.error('ambiguous_field', where('until'), 'A wait step has "duration" or "until", not both.');
  if (duration !== undefined && !isTemplate(duration) && durationMs(duration) === undefined)
    findings.error('invalid_value', where('duration'), 'duration must be seconds (30), a duration ("30s", "5m", "PT5M") or a template.');
  if (until !== undefined && !isTemplate(until) && timeMs(until) === undefined)
    findings.error('invalid_value', where('until'), 'until must be a time (2026-01-31T09:00:00Z) or a template.');
}

/** `type: wait_for`: signals are matched at the door, so their name and schema are fixed in the document. */
export function checkWaitFor(fields: JsonObject, mapping: Mapping, findings: Findings): void {
  const { name, schema } = fields;
  const where = (...names: string[]): string => mapping.peek(...names)?.pointer ?? mapping.pointer;
  if (name !== undefined && !SIGNAL_NAME.test(String(name)))
    findings.error('invalid_value', where('signal', 'name'), 'The name of a signal is 1 to 128 of A-Z a-z 0-9 _ . : - and no template.');
  if (schema === undefined) return;
  try {
    compileJsonSchema(schema);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    findings.error('invalid_schema', where('schema'), error.message);
  }
}

/** `type: input`: what it asks is checked as far as it is no template; the rest of it when it is asked. */
export function checkInput(fields: JsonObject, mapping: Mapping, findings: Findings): void {
  const { requests } = fields;
  const base = mapping.peek('requests')?.pointer ?? mapping.pointer;
  if (requests === undefined) return;
  for (const { code, message, pointer = '' } of requestIssues(requests, isTemplate)) findings.error(code, base + pointer, message);
}
