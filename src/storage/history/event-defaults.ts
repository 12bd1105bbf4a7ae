/**
 * What most events say alike is not written: a short event costs a third less of row and log. Part of the codec: whoever changes this table makes
 * rows that others read otherwise.
 */
const FIRING = { wave: 1, attempt: 1 } as const;
const OUTCOME = { ...FIRING, edges: [], vars: null, saves: [] } as const;
const DEFAULTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  step_started: FIRING,
  step_progress: FIRING,
  step_log: FIRING,
  step_waiting: FIRING,
  step_woken: FIRING,
  approval_decided: FIRING,
  action_retry: FIRING,
  compensation_started: FIRING,
  compensation_completed: FIRING,
  compensation_failed: FIRING,
  step_skipped: { wave: 1 },
  step_completed: OUTCOME,
  step_failed: OUTCOME,
  step_timed_out: OUTCOME,
};

/**
 * The fields of an event that are written: all but its type, its step and what `withDefaults` puts back. A value that is its step's very inputs, as
 * routers pass on, is not written twice.
 */
export function writtenFields(event: object, type: string): Record<string, unknown> {
  const all = event as Readonly<Record<string, unknown>>;
  const defaults = DEFAULTS[type];
  const passesOn = type === 'step_completed' && all['value'] === all['inputs'];
  // Built up, not cut down: objects that lose fields are slow to read and to write as JSON.
  const fields: Record<string, unknown> = {};
  for (const name in all) {
    if (name === 'type' || name === 'step' || (passesOn && name === 'value')) continue;
    const value = all[name];
    if (defaults === undefined || !isStandard(value, defaults[name])) fields[name] = value;
  }
  return fields;
}

const isStandard = (value: unknown, standard: unknown): boolean =>
  standard !== undefined && (value === standard || (Array.isArray(standard) && Array.isArray(value) && value.length === 0));

/** The fields with what was not written of them. */
export function withDefaults(type: string, fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const defaults = DEFAULTS[type];
  if (defaults === undefined) return fields;
  const whole = { ...defaults, ...fields };
  return type === 'step_completed' && !('value' in whole) ? { ...whole, value: fields['inputs'] } : whole;
}
