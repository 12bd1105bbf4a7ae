import { type JsonSchema } from './json-schema.js';
import { type CompiledStep } from './compiled.js';

/** Schemas that the payload of a signal has to fit, by the name that some step waits for. */
export function signalsOf(steps: readonly CompiledStep[]): ReadonlyMap<string, readonly JsonSchema[]> {
  const signals = new Map<string, JsonSchema[]>();
  for (const { action } of steps) {
    if (action?.performer?.does !== 'wait' || action.performer.wait.kind !== 'signal') continue;
    const { name, schema } = action.performer.wait;
    signals.set(name, [...(signals.get(name) ?? []), ...(schema ? [schema] : [])]);
  }
  return signals;
}

/** Steps that ask for input. */
export function inputsOf(steps: readonly CompiledStep[]): ReadonlySet<string> {
  return new Set(
    steps.flatMap(({ name, action }) => (action?.performer?.does === 'wait' && action.performer.wait.kind === 'input' ? [name] : [])),
  );
}

/** Steps whose actions may ask on their way; not those whose name is that of a signal, which would be taken for an answer. */
export function askingActionsOf(steps: readonly CompiledStep[]): readonly string[] {
  const signals = new Set(
    steps.flatMap(({ action }) =>
      action?.performer?.does === 'wait' && action.performer.wait.kind === 'signal' ? [action.performer.wait.name] : [],
    ),
  );
  return steps.flatMap(({ name, action, undoes }) => {
    const mayAsk = undoes === null && action?.performer?.does === 'step' && action.performer.kind.mayAsk === true;
    return mayAsk && !signals.has(name) ? [name] : [];
  });
}
