import { type CompiledPlaybook } from '../../src/engine/playbook/compiled.js';
import { foldEvents } from '../../src/engine/run/apply.js';
import { type RunEvent } from '../../src/engine/run/events.js';
import { type RunState } from '../../src/engine/run/run-state.js';

/** The state a stored history leads to, without clock and renderer. */
export function replay(playbook: CompiledPlaybook, events: readonly RunEvent[]): RunState {
  const { now, random } = { now: Date.now, random: Math.random };
  const throws = (what: string) => (): never => {
    throw new Error(`a fold asked for ${what}`);
  };
  Date.now = throws('the time');
  Math.random = throws('chance');
  try {
    return foldEvents(playbook, {}, events);
  } finally {
    Date.now = now;
    Math.random = random;
  }
}

/** A state as text, apart from whether a due attempt has begun: that is not recorded, because it begins again after a crash. */
export function comparable(state: RunState): string {
  return JSON.stringify(state, (_key, value: unknown) =>
    value instanceof Map ? [...value].map(([key, entry]) => [key as unknown, { ...(entry as object), dueAt: null }]) : value,
  );
}
