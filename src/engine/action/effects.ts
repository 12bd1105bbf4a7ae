import { type CompiledAction } from '../playbook/compiled.js';

/** Whether the world can see what the task does. */
export function hasEffects(action: CompiledAction): boolean {
  const { performer } = action;
  if (action.saves.some((save) => save.external)) return true;
  if (performer?.does === 'step') return performer.kind.effect;
  if (performer?.does === 'playbook') return true;
  return performer?.does === 'iterator' && performer.iterator.tasks.some(hasEffects);
}
