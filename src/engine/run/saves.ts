import { type CompiledSave, type CompiledStep } from '../playbook/compiled.js';
import { StepFailure } from '../step-executor.js';
import { type Rendering } from '../template/rendering.js';
import { type Scope } from '../template/scope.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { asFailure } from './failures.js';
import { type SaveOutcome } from './events.js';

/** What a save sees; its data sees the inputs behind the value, too. */
export interface SaveScope extends Scope {
  forSaveData(): Scope;
}

/** The saves of a step, wherever they stand. */
export function savesOf(step: CompiledStep): readonly CompiledSave[] {
  return step.action ? step.action.saves : step.saves;
}

/** Whether saves of the step go to the world for such an outcome: then they are parts of their own. */
export function savesToWorld(step: CompiledStep, succeeded: boolean): boolean {
  return savesOf(step).some(({ external, definition: { on } }) => external && (on === 'always' || (on === 'success') === succeeded));
}

/**
 * Why an action with these saves must not begin: one that would certainly run has a storage that cannot be written here. Found before the
 * action, so that no effect is done whose outcome could then not be kept.
 */
export function unsupportedSave(saves: readonly CompiledSave[]): StepFailure | null {
  const save = saves.find(
    (each) => !each.supported && each.when === null && each.definition.on !== 'error' && each.definition.onError !== 'continue',
  );
  return save ? storageFailure(save) : null;
}

/**
 * Runs the internal saves (event_log, variables) of a settled step, all of them, in order.
 * @param fallback what a save without `data` records: the step's value.
 * @throws StepFailure of the first save that fails without on_error: continue.
 */
export function runSaves(step: CompiledStep, succeeded: boolean, fallback: Json, scope: SaveScope, rendering: Rendering): SaveOutcome[] {
  return savesOf(step)
    .filter(({ definition }) => definition.on === 'always' || definition.on === (succeeded ? 'success' : 'error'))
    .map((save) => runSave(save, fallback, scope, rendering));
}

/** One save to the execution itself. @throws StepFailure where it fails and has no on_error: continue */
export function runSave(save: CompiledSave, fallback: Json, scope: SaveScope, rendering: Rendering): SaveOutcome {
  const { storage, name, onError } = save.definition;
  // A fault of the service: nothing here writes to the world, so nothing here may say that it was written to.
  if (save.external) throw new Error(`a save to ${storage} was taken for one to the execution itself`);
  try {
    if (save.when && !save.when.isTrue(scope, rendering)) return { status: 'skipped', storage, name, data: null, error: null };
    if (!save.supported) throw storageFailure(save);
    const data = save.data ? save.data.render(scope.forSaveData(), rendering) : fallback;
    return { status: 'success', storage, name, data, error: null };
  } catch (thrown) {
    const failure = asFailure(thrown);
    if (onError !== 'continue') throw failure;
    return { status: 'error', storage, name, data: null, error: failure.message };
  }
}

/** The variables that saves publish: each under its name; of one to `variables` that has none, each key of its data. */
export function publishedBy(saves: readonly SaveOutcome[]): JsonObject {
  let variables: JsonObject = {};
  for (const { status, storage, name, data } of saves) {
    if (status !== 'success') continue;
    if (name !== null) variables = { ...variables, [name]: data };
    else if (storage === 'variables' && isObject(data)) variables = { ...variables, ...data };
  }
  return variables;
}

/** The value of a `type: save` step: {saved, table, …data} of its last save that ran. */
export function saveValue(step: CompiledStep, outcomes: readonly SaveOutcome[]): JsonObject {
  const last = outcomes.findLast((outcome) => outcome.status !== 'skipped');
  if (!last) return { saved: null };
  const definition = savesOf(step).find((save) => save.definition.storage === last.storage)?.definition;
  const table = definition?.fields['table'];
  return {
    ...(isObject(last.data) ? last.data : { data: last.data }),
    saved: last.storage,
    ...(table === undefined ? {} : { table }),
    ...last.detail,
  };
}

function storageFailure(save: CompiledSave): StepFailure {
  return new StepFailure('unsupported_storage', `Saves to ${save.definition.storage} cannot run here.`, { retryable: false });
}
