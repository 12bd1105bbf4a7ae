import { type Issue } from '../engine-error.js';
import { isObject, type Json, type JsonObject, own } from '../values.js';
import { type Findings } from './findings.js';
import { type InferenceRule } from './playbook.js';
import { at } from './source-positions.js';

type Rules = Readonly<Record<string, InferenceRule>>;

const TYPES = ['number', 'integer', 'string', 'boolean', 'array'] as const;
const RULE_KEYS = ['type', 'default', 'min', 'max', 'enum', 'fixed', 'description'];
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;
const MOST_SETTINGS = 64;

/** Reads `spec.inference_config`: each setting is its default, or a mapping of `default`, `type`, `min`, `max`, `enum` and `fixed`. */
export function readInferenceConfig(config: Json, pointer: string, findings: Findings): Record<string, InferenceRule> {
  if (config === null) return {};
  if (!isObject(config)) {
    findings.error('invalid_type', pointer, 'inference_config must be a mapping of settings.');
    return {};
  }
  const names = Object.keys(config);
  if (names.length > MOST_SETTINGS) findings.error('invalid_value', pointer, `At most ${MOST_SETTINGS} settings.`);
  for (const name of names)
    if (!NAME.test(name)) findings.error('invalid_value', at(pointer, name), 'A setting has 1-64 letters, digits, "_", "." and "-".');
  return Object.fromEntries(
    names.slice(0, MOST_SETTINGS).map((name) => [name, ruleOf(own(config, name) ?? null, at(pointer, name), findings)]),
  );
}

/** What the caller's settings break; pointers are relative to them. */
export function settingIssues(rules: Rules, settings: JsonObject): Issue[] {
  return Object.entries(settings).flatMap(([name, value]): Issue[] => {
    const rule = own(rules, name) as InferenceRule | undefined;
    const message = rule ? faultOf(rule, value) : 'is no setting of this entry';
    return message === null ? [] : [{ code: 'invalid_inference_config', pointer: at('', name), message }];
  });
}

/** The settings of one call: the caller's, else the entry's; those that neither gives are left to the provider. */
export function settingsOf(rules: Rules, settings: JsonObject): JsonObject {
  const entries = Object.entries(rules).map(([name, rule]): [string, Json] => [
    name,
    rule.fixed ? rule.default : (own(settings, name) ?? rule.default),
  ]);
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

function ruleOf(given: Json, pointer: string, findings: Findings): InferenceRule {
  if (!isObject(given)) return { type: typeOf(given), default: given, min: null, max: null, enum: null, fixed: false };
  for (const key of Object.keys(given))
    if (!RULE_KEYS.includes(key)) findings.warn('unknown_field', at(pointer, key), `unknown key "${key}" in a setting; it has no effect`);
  const fixed = own(given, 'fixed') ?? null;
  const byDefault = fixed === null || fixed === true || fixed === false ? (own(given, 'default') ?? null) : fixed;
  const isFixed = fixed !== null && fixed !== false;
  const bound = (key: 'min' | 'max'): number | null => {
    const value = own(given, key) ?? null;
    if (value !== null && typeof value !== 'number') findings.error('invalid_type', at(pointer, key), `${key} must be a number.`);
    return typeof value === 'number' ? value : null;
  };
  const [min, max] = [bound('min'), bound('max')];
  const word = own(given, 'type') ?? null;
  const type = TYPES.find((known) => known === word) ?? null;
  if (word !== null && type === null) findings.error('invalid_value', at(pointer, 'type'), `type must be one of ${TYPES.join(', ')}.`);
  const choices = own(given, 'enum') ?? null;
  if (choices !== null && !Array.isArray(choices)) findings.error('invalid_type', at(pointer, 'enum'), 'enum must be a list.');
  const rule: InferenceRule = {
    type: type ?? (min !== null || max !== null ? 'number' : typeOf(byDefault)),
    default: byDefault,
    min,
    max,
    enum: Array.isArray(choices) ? choices : null,
    fixed: isFixed,
  };
  if (isFixed && byDefault === null) findings.error('invalid_value', at(pointer, 'fixed'), 'A fixed setting needs a value.');
  if (min !== null && max !== null && min > max) findings.error('invalid_value', at(pointer, 'min'), 'min is above max.');
  const fault = byDefault === null ? null : faultOf({ ...rule, fixed: false }, byDefault);
  if (fault !== null) findings.error('invalid_value', at(pointer, 'default'), `The default ${fault}.`);
  return rule;
}

function faultOf(rule: InferenceRule, value: Json): string | null {
  if (value === null) return null; // as if it were not given
  if (rule.fixed) return sameAs(value)(rule.default) ? null : `is fixed to ${JSON.stringify(rule.default)}`;
  if (!isOfType(rule.type, value)) return `must be ${rule.type === 'integer' ? 'a whole number' : `of type ${rule.type}`}`;
  if (rule.enum && !rule.enum.some(sameAs(value))) return `must be one of ${JSON.stringify(rule.enum).slice(1, -1)}`;
  if (typeof value !== 'number') return null;
  if (rule.min !== null && value < rule.min) return `must be at least ${rule.min}`;
  if (rule.max !== null && value > rule.max) return `must be at most ${rule.max}`;
  return null;
}

function sameAs(value: Json): (other: Json) => boolean {
  const text = JSON.stringify(value);
  return (other) => JSON.stringify(other) === text;
}

function isOfType(type: InferenceRule['type'], value: Json): boolean {
  if (type === null) return true;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}

/** A whole number as a default does not say that only whole ones are meant. */
function typeOf(value: Json): InferenceRule['type'] {
  if (Array.isArray(value)) return 'array';
  return TYPES.find((type) => type === typeof value) ?? null;
}
