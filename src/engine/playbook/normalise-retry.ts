import { isObject, type Json } from '../values.js';
import { isTruthy } from '../template/template.js';
import { type Findings } from './findings.js';
import { type Field, Mapping } from './mapping.js';
import { fits, isTemplate, secondsOf } from './normalise-values.js';
import { type Retry, type RetryTemplates } from './playbook.js';

const DEFAULTS: Retry = {
  maxAttempts: 3,
  initialDelay: 1,
  backoffMultiplier: 2,
  maxDelay: 60,
  jitter: true,
  retryWhen: null,
  stopWhen: null,
  retryOn: null,
  onSuccess: null,
};

const CLASSES = ['http_error', 'connection_error', 'timeout', 'exception', 'error'];
/** Names of the condition for another attempt, the strongest first. */
const CONDITION = ['retry_when', 'when'] as const;
export const MOST_ATTEMPTS = 1_000;

/** All forms of `retry`: true, a number, the full mapping, or `{on_error, on_success}`. `delay` is the old `retry_delay`. */
export function normaliseRetry(retry: Field | null, delay: Field | null, findings: Findings): Retry | null {
  if (!retry || retry.value === null || retry.value === false || retry.value === 0) return null;
  if (isObject(retry.value)) return full(Mapping.of(retry.value, retry.pointer), findings);
  const templates = templatesOf({ maxAttempts: retry, initialDelay: delay, maxDelay: delay });
  const maxAttempts = retry.value === true || templates?.maxAttempts ? DEFAULTS.maxAttempts : count(retry.value);
  if (maxAttempts === null) {
    findings.error(
      'invalid_retry',
      retry.pointer,
      `retry must be true, false, a number of attempts from 1 to ${MOST_ATTEMPTS}, or a mapping.`,
    );
    return null;
  }
  if (!delay) return { ...DEFAULTS, maxAttempts, ...(templates ? { templates } : {}) };
  const seconds = duration(delay, DEFAULTS.initialDelay, findings);
  const fixed = { initialDelay: seconds, backoffMultiplier: 1, maxDelay: seconds, jitter: false };
  return { ...DEFAULTS, maxAttempts, ...fixed, ...(templates ? { templates } : {}) };
}

type RetryFields = Readonly<Partial<Record<keyof RetryTemplates, Field | null>>>;

/** Those of the fields that are templates; undefined: none. */
function templatesOf(fields: RetryFields): RetryTemplates | undefined {
  const found = Object.entries(fields).flatMap(([name, field]) => (field && isTemplate(field.value) ? [[name, field.value]] : []));
  return found.length === 0 ? undefined : (Object.fromEntries(found) as RetryTemplates);
}

function full(mapping: Mapping, findings: Findings): Retry {
  const onSuccess = mapping.take('on_success');
  const onError = mapping.take('on_error');
  if (onSuccess && onSuccess.value !== null && !isObject(onSuccess.value))
    findings.error('invalid_retry', onSuccess.pointer, 'retry.on_success must be a mapping.');
  if (onError && onError.value !== null && !isObject(onError.value))
    findings.error('invalid_retry', onError.pointer, 'retry.on_error must be a mapping.');
  const nested = onError && isObject(onError.value) ? Mapping.of(onError.value, onError.pointer) : null;
  // Paging alone does not ask for errors to be retried.
  const pagingOnly = onSuccess !== null && nested === null && mapping.peek('max_attempts') === null;
  const onlyErrors = nested?.peek(...CONDITION) && !mapping.peek(...CONDITION);
  const policy = nested ? policyOf(nested.over(mapping), findings) : policyOf(mapping, findings);
  return {
    ...policy,
    ...(onlyErrors ? { onlyErrors } : {}),
    ...(pagingOnly ? { maxAttempts: 1 } : {}),
    onSuccess: onSuccess?.value ?? null,
  };
}

function policyOf(mapping: Mapping, findings: Findings): Retry {
  const attempts = mapping.take('max_attempts');
  const [initialDelay, maxDelay] = [mapping.take('initial_delay', 'delay', 'retry_delay'), mapping.take('max_delay')];
  const [backoffMultiplier, jitterField] = [mapping.take('backoff_multiplier'), mapping.take('jitter')];
  const templates = templatesOf({ maxAttempts: attempts, initialDelay, backoffMultiplier, maxDelay, jitter: jitterField });
  const maxAttempts = attempts && !isTemplate(attempts.value) ? count(attempts.value) : DEFAULTS.maxAttempts;
  if (attempts && maxAttempts === null)
    findings.error('invalid_retry', attempts.pointer, `max_attempts must be a whole number from 1 to ${MOST_ATTEMPTS}.`);
  const policy: Retry = {
    maxAttempts: maxAttempts ?? DEFAULTS.maxAttempts,
    initialDelay: duration(initialDelay, DEFAULTS.initialDelay, findings),
    backoffMultiplier: multiplier(backoffMultiplier, findings),
    maxDelay: duration(maxDelay, DEFAULTS.maxDelay, findings),
    jitter: jitter(jitterField, findings),
    ...(templates ? { templates } : {}),
    retryWhen: mapping.take(...CONDITION)?.value ?? null,
    stopWhen: mapping.take('stop_when')?.value ?? null,
    retryOn: classes(mapping.take('retry_on'), findings),
    onSuccess: null,
  };
  for (const { key, pointer } of mapping.remaining())
    findings.warn('unknown_field', pointer, `unknown key "${key}" in retry; it has no effect`);
  return policy;
}

function count(value: Json): number | null {
  const number = typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN;
  return value !== '' && Number.isInteger(number) && number >= 1 && number <= MOST_ATTEMPTS ? number : null;
}

function duration(field: Field | null, fallback: number, findings: Findings): number {
  if (!field || field.value === null || isTemplate(field.value)) return fallback;
  const seconds = secondsOf(field.value);
  if (seconds === null) findings.error('invalid_retry', field.pointer, `${field.key} must be seconds (2, 0.5) or a duration ("30s").`);
  return seconds ?? fallback;
}

function multiplier(field: Field | null, findings: Findings): number {
  if (!field || field.value === null || isTemplate(field.value)) return DEFAULTS.backoffMultiplier;
  const number = typeof field.value === 'boolean' || field.value === '' ? Number.NaN : Number(field.value);
  if (number > 0 && Number.isFinite(number)) return number;
  findings.error('invalid_retry', field.pointer, 'backoff_multiplier must be a number above 0.');
  return DEFAULTS.backoffMultiplier;
}

function jitter(field: Field | null, findings: Findings): boolean {
  if (!field || field.value === null || isTemplate(field.value)) return DEFAULTS.jitter;
  if (!fits(field.value, 'bool')) findings.error('invalid_retry', field.pointer, 'jitter must be true or false.');
  return isTruthy(field.value);
}

function classes(field: Field | null, findings: Findings): string[] | null {
  if (!field || field.value === null) return null;
  const list = (Array.isArray(field.value) ? field.value : [field.value]).map(String);
  for (const word of list)
    if (!CLASSES.includes(word)) findings.error('invalid_retry', field.pointer, `retry_on knows ${CLASSES.join(', ')}, not "${word}".`);
  return list;
}
