import { type CompiledPlaybook } from '../playbook/compiled.js';

const RENDERS = new Set<PropertyKey>(['render', 'isTrue', 'evaluate', 'parse', 'execute']);

/** A playbook in which every template, condition and step type throws: whatever a fold reads must be in the events (D22). */
export function withoutRenderer(playbook: CompiledPlaybook): CompiledPlaybook {
  const made = new WeakMap<object, CompiledPlaybook['entry']>();
  const trap: ProxyHandler<CompiledPlaybook['entry']> = {
    get(target, key) {
      if (RENDERS.has(key)) throw new Error(`a fold asked for ${String(key)}`);
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'object' && value !== null && !(value instanceof Map) && key !== 'reach' && key !== 'losers'
        ? guarded(value as CompiledPlaybook['entry'])
        : value;
    },
  };
  const guarded = (value: CompiledPlaybook['entry']): CompiledPlaybook['entry'] => {
    const known = made.get(value) ?? new Proxy(value, trap);
    made.set(value, known);
    return known;
  };
  const steps = playbook.steps.map(guarded);
  const byName = new Map(steps.map((step) => [step.name, step]));
  return {
    ...playbook,
    steps,
    byName,
    entry: byName.get(playbook.entry.name)!,
    terminal: playbook.terminal && byName.get(playbook.terminal.name)!,
  };
}
