import { type CompiledPlaybook, iterates, valueAliasesOf } from '../playbook/compiled.js';
import { referenceTo, type StepView } from './run-scope.js';
import { type Undo } from './run-state.js';

/**
 * What the templates of a compensation see besides what all see: `result`, and the name of the step, for the value that is undone (null where it did
 * not succeed), and `inputs` for what the step was given.
 */
export function undoView(playbook: CompiledPlaybook, undo: Undo | null): Pick<StepView, 'undone'> {
  if (undo === null) return {};
  const { value, inputs } = undo;
  if (value === null) return { undone: { result: null, inputs } };
  const step = playbook.steps[undo.step]!;
  const result = referenceTo({
    names: [],
    value,
    status: 'success',
    error: null,
    meta: null,
    valueAliases: valueAliasesOf(step),
    iterates: iterates(step),
  });
  return { undone: { ...Object.fromEntries([step.name, ...step.aliases].map((name) => [name, result])), result, inputs } };
}
