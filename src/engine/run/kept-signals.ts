import { type RunEvent } from './events.js';

type Signal = Extract<RunEvent, { readonly type: 'signal_received' }>;

/**
 * What is kept of a history, with its signals where each of them goes to the step again that took it: what nobody has taken, or a step that runs again
 * had taken, comes after all that is kept, in its own order. Else a step that is kept would take it, and its own were left for another.
 * @param kept some events of `events`, in their order
 */
export function withSignalsOfTheirOwn(events: readonly RunEvent[], kept: readonly RunEvent[]): RunEvent[] {
  const isKept = new Set(kept);
  /** What each firing waits for that waits for a signal. */
  const awaited = new Map<string, string>();
  const untaken = new Map<string, Signal[]>();
  const free = new Set<RunEvent>();
  for (const event of events) {
    if (event.type === 'signal_received') {
      const before = untaken.get(event.name);
      if (before) before.push(event);
      else untaken.set(event.name, [event]);
    } else if (event.type === 'step_waiting' && event.waitsFor.kind === 'signal')
      awaited.set(`${event.step} ${event.wave}`, event.waitsFor.name!);
    else if (event.type === 'step_woken' && event.reason === 'signal') {
      const taken = untaken.get(awaited.get(`${event.step} ${event.wave}`) ?? '')?.shift();
      if (taken && !isKept.has(event)) free.add(taken);
    }
  }
  if (free.size === 0) return [...kept];
  // Answers to questions are no signals that could wait: they stay with the step that asked.
  for (const name of awaited.values()) for (const signal of untaken.get(name) ?? []) free.add(signal);
  return [...kept.filter((event) => !free.has(event)), ...kept.filter((event) => free.has(event))];
}
