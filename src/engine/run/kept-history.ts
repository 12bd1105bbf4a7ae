import { EngineError } from '../engine-error.js';
import { type CompiledPlaybook } from '../playbook/compiled.js';
import { type RunEvent } from './events.js';

type StepOfHistory = Extract<RunEvent, { readonly step: string }>;

const firingOf = ({ step, wave }: StepOfHistory): string => `${step} ${wave}`;
const aboutStep = (event: RunEvent): event is StepOfHistory => 'step' in event;

/**
 * What a retry goes on from: everything that completed. What failed, was skipped or was under way is left out, so the steps
 * stand armed as they did before and fire again, with fresh attempts. Signals that nobody took are still there (D30).
 */
export function keptForRetry(events: readonly RunEvent[]): RunEvent[] {
  return keep(events, settledFirings(events));
}

/**
 * What a fork from a step goes on from: everything that completed and does not follow from the newest run of that step.
 * Null where the step never ran.
 * @param playbook the definition the history was made with
 */
export function keptForFork(playbook: CompiledPlaybook, events: readonly RunEvent[], fromStep: string): RunEvent[] | null {
  const from = playbook.byName.get(fromStep);
  const firstOf = new Map<string, number>();
  events.forEach((event, at) => {
    if (aboutStep(event) && event.type !== 'step_skipped' && !firstOf.has(firingOf(event))) firstOf.set(firingOf(event), at);
  });
  const newest = events.findLast(
    (event): event is StepOfHistory => aboutStep(event) && event.step === fromStep && firstOf.has(firingOf(event)),
  );
  if (!from || from.undoes !== null || !newest) return null;
  const cut = firstOf.get(firingOf(newest))!;
  const follows = ({ step }: StepOfHistory): boolean => step === fromStep || from.reach.has(playbook.byName.get(step)!.index);
  const settled = settledFirings(events);
  for (const event of events) {
    if (aboutStep(event) && (firstOf.get(firingOf(event)) ?? -1) >= cut && follows(event)) settled.delete(firingOf(event));
  }
  // The terminal step has seen every other one.
  if (playbook.terminal) for (const key of [...settled]) if (key.startsWith(`${playbook.terminal.name} `)) settled.delete(key);
  return keep(events, settled);
}

/**
 * Whether a history that is to be kept makes sense in another version: every step it names must be there.
 * @throws EngineError `incompatible_version`
 */
export function checkKept(playbook: CompiledPlaybook, kept: readonly RunEvent[]): void {
  for (const event of kept) {
    if (!aboutStep(event)) continue;
    const names = [event.step, ...('edges' in event ? event.edges.map(({ to }) => to) : [])];
    const missing = names.find((name) => !playbook.byName.has(name));
    if (missing !== undefined) {
      throw new EngineError(
        'invalid',
        'incompatible_version',
        `The step ${missing} ran before, but this version of the playbook has none of that name.`,
      );
    }
  }
}

function settledFirings(events: readonly RunEvent[]): Set<string> {
  const settled = new Set<string>();
  for (const event of events) {
    if (event.type === 'step_completed' || event.type === 'step_timed_out' || (event.type === 'step_failed' && event.handled))
      settled.add(firingOf(event));
  }
  return settled;
}

function keep(events: readonly RunEvent[], firings: ReadonlySet<string>): RunEvent[] {
  return events.filter((event) => (aboutStep(event) ? firings.has(firingOf(event)) : event.type === 'signal_received'));
}
