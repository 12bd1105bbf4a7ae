/**
 * What most events say alike is not written: a short event costs a third less of row and log. Part of the codec: whoever changes this table makes
 * rows that others read otherwise.
 */
const FIRING = { wave: 1, attempt: 1 } as const;
const OUTCOME = { ...FIRING, edges: [], vars: null, saves: [] } as const;
const DEFAULTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  step_started: FIRING,
  step_waiting: FIRING,
  step_woken: FIRING,
  action_retry: FIRING,
  step_skipped: { wave: 1 },
  step_completed: OUTCOME,
  step_failed: OUTCOME,
  step_timed_out: OUTCOME,
};

/** Removes from an event's fields what `withDefaults` puts back. A value that is its step's very inputs, as routers pass on, is not written twice. */
export function dropDefaults(type: string, fields: Record<string, unknown>): void {
  const defaults = DEFAULTS[type];
  if (defaults === undefined) return;
  for (const name in defaults) {
    const [standard, value] = [defaults[name], fields[name]];
    if (value === standard || (Array.isArray(standard) && Array.isArray(value) && value.length === 0)) delete fields[name];
  }
  if (type === 'step_completed' && fields['value'] === fields['inputs']) delete fields['value'];
}

/** The fields with what was not written of them. */
export function withDefaults(type: string, fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const defaults = DEFAULTS[type];
  if (defaults === undefined) return fields;
  const whole = { ...defaults, ...fields };
  return type === 'step_completed' && !('value' in whole) ? { ...whole, value: fields['inputs'] } : whole;
}
