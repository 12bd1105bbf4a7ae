import { isObject, type Json } from '../values.js';
import { type Findings } from './findings.js';
import { type Field, Mapping } from './mapping.js';
import { isTemplate, secondsOf } from './normalise-values.js';
import { type AssertPath, type AssertSpec } from './playbook.js';
import { at } from './source-positions.js';

/** Parts that steps, tasks and saves have in common: auth, assert, timeout, base64 texts. */

export function authOf(mapping: Mapping, findings: Findings, ...names: readonly string[]): Json {
  const field = mapping.take(...names);
  if (!field || field.value === null) return null;
  if (typeof field.value === 'string' || isObject(field.value)) return field.value;
  findings.error('invalid_type', field.pointer, `${field.key} must be a credential name or a mapping.`);
  return null;
}

export function timeoutOf(field: Field | null, findings: Findings): number | string | null {
  if (!field || field.value === null) return null;
  const { value } = field;
  if (typeof value === 'string' && isTemplate(value)) return value;
  const seconds = secondsOf(value);
  if ((typeof value === 'number' || typeof value === 'string') && seconds !== null && seconds > 0) return value;
  findings.error('invalid_value', field.pointer, 'timeout must be seconds above 0 (30), a duration ("30s", "5m") or a template.');
  return null;
}

/** Text that was given in base64, as the text itself. */
export function decodeBase64(field: Field | null, findings: Findings): Field | null {
  if (!field || field.value === null) return null;
  const compact = typeof field.value === 'string' ? field.value.replace(/\s+/g, '') : '';
  const text = Buffer.from(compact, 'base64').toString('utf8');
  const valid = /^[A-Za-z0-9+/]+={0,2}$/.test(compact) && !text.includes('\uFFFD') && !text.includes('\0');
  if (!valid) findings.error('invalid_value', field.pointer, `${field.key} is not UTF-8 text in base64.`);
  // What cannot be decoded still counts as given: one finding is enough.
  return { ...field, value: valid ? text : field.value };
}

const ASSERT_TYPES = ['string', 'number', 'boolean', 'object', 'array'] as const;

export function assertOf(field: Field | null, findings: Findings): AssertSpec | null {
  if (!field || field.value === null) return null;
  if (!isObject(field.value)) {
    findings.error('invalid_type', field.pointer, 'assert must be a mapping with "expects" and "returns".');
    return null;
  }
  const mapping = Mapping.of(field.value, field.pointer);
  const mode = mapping.take('mode');
  if (mode && mode.value !== null && mode.value !== 'fail' && mode.value !== 'warn')
    findings.error('invalid_value', mode.pointer, 'assert.mode must be fail or warn.');
  const spec: AssertSpec = {
    expects: paths(mapping.take('expects'), findings),
    returns: paths(mapping.take('returns'), findings),
    mode: mode?.value === 'fail' || mode?.value === 'warn' ? mode.value : null,
  };
  for (const { key, pointer } of mapping.remaining())
    findings.warn('unknown_field', pointer, `unknown key "${key}" in assert; it has no effect`);
  return spec;
}

/** A list of dotted paths; an item, or the whole, may be a mapping `path: type`. */
function paths(field: Field | null, findings: Findings): AssertPath[] {
  if (!field || field.value === null) return [];
  const list = Array.isArray(field.value) ? field.value : [field.value];
  return list.flatMap((item, index): AssertPath[] => {
    const pointer = Array.isArray(field.value) ? at(field.pointer, index) : field.pointer;
    if (typeof item === 'string' && item !== '') return [{ path: item, type: null }];
    if (!isObject(item)) {
      findings.error('invalid_type', pointer, `${field.key} must be a list of dotted paths.`);
      return [];
    }
    return Object.entries(item).map(([path, word]) => {
      const type = ASSERT_TYPES.find((known) => known === word) ?? null;
      if (type === null && word !== null)
        findings.error('invalid_value', at(pointer, path), `A type in assert is one of ${ASSERT_TYPES.join(', ')}.`);
      return { path, type };
    });
  });
}
