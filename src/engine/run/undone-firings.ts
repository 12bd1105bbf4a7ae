import { type CompiledPlaybook } from '../playbook/compiled.js';
import { compensatedStep } from '../playbook/compensation-name.js';
import { type RunEvent } from './events.js';

type StepOfHistory = Extract<RunEvent, { readonly step: string }>;

const aboutStep = (event: RunEvent): event is StepOfHistory => 'step' in event;
const firingOf = ({ step, wave }: StepOfHistory): string => `${step} ${wave}`;

/**
 * What is kept of a history, without what was undone since: a firing whose compensation began is as if it had never been, and so is whatever came of
 * it after it had begun. It fires again.
 * @param kept some events of `events`, in their order
 * @param playbook the definition the history was made with
 */
export function withoutUndone(playbook: CompiledPlaybook, events: readonly RunEvent[], kept: readonly RunEvent[]): RunEvent[] {
  const undone = new Set<string>();
  for (const event of events) {
    const step = aboutStep(event) ? compensatedStep(event.step) : null;
    if (step !== null) undone.add(`${step} ${(event as StepOfHistory).wave}`);
  }
  if (undone.size === 0) return [...kept];
  const firstOf = new Map<string, number>();
  events.forEach((event, at) => {
    if (aboutStep(event) && !firstOf.has(firingOf(event))) firstOf.set(firingOf(event), at);
  });
  // By step: where its first firing began that was undone.
  const since = new Map<string, number>();
  for (const key of undone) {
    const step = key.slice(0, key.lastIndexOf(' '));
    since.set(step, Math.min(since.get(step) ?? Infinity, firstOf.get(key) ?? Infinity));
  }
  const follows = (event: StepOfHistory): boolean => {
    const at = firstOf.get(firingOf(event))!;
    const index = playbook.byName.get(event.step)!.index;
    return [...since].some(([step, from]) => at >= from && (event.step === step || playbook.byName.get(step)!.reach.has(index)));
  };
  const terminal = playbook.terminal?.name;
  // The terminal step has seen every other one.
  return kept.filter((event) => !aboutStep(event) || (!follows(event) && event.step !== terminal));
}

/** What a fork keeps is the earlier execution's, which may live on it: only that one undoes it. */
export const inherited = (kept: readonly RunEvent[]): RunEvent[] =>
  kept.map((event) => (event.type === 'step_completed' || event.type === 'step_failed' ? { ...event, inherited: true } : event));
