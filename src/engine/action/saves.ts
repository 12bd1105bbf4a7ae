import { type CompiledSave } from '../playbook/compiled.js';
import { type SaveOutcome } from '../run/events.js';
import { SecretScope } from '../auth/secret-scope.js';
import { asFailure, detailsOf, failureFrom } from '../run/failures.js';
import { type PartEnd } from '../run/parts.js';
import { type StepView } from '../run/run-scope.js';
import { runSave } from '../run/saves.js';
import { type StepFailure } from '../step-executor.js';
import { type Scope } from '../template/scope.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { checkRecord, join, type PartContext } from './part-context.js';

/** What saves came to. `failure` ends their step: that of the first that failed and may not. */
export interface SavesEnd {
  readonly outcomes: readonly SaveOutcome[];
  readonly failure: StepFailure | null;
}

/**
 * Runs the saves of an action that has ended, in order. Each save to the world is a part of its own: its rendered request is in the history before
 * it begins and its outcome after, so that none runs again but the one a crash met (D20).
 * @param path of the part they belong to; @param fallback what a save without `data` stores: the value
 */
export async function runSaves(
  context: PartContext,
  saves: readonly CompiledSave[],
  succeeded: boolean,
  path: string,
  view: StepView,
  fallback: Json,
): Promise<SavesEnd> {
  const outcomes: SaveOutcome[] = [];
  for (const [at, save] of saves.entries()) {
    const { on, onError, storage, name } = save.definition;
    if (on !== 'always' && (on === 'success') !== succeeded) continue;
    const end = save.external ? await toWorld(context, save, join(path, `s${at}`), view, fallback) : inside(context, save, view, fallback);
    if ('storage' in end) outcomes.push(end);
    else if (end.ok) outcomes.push({ status: 'success', storage, name, error: null, ...partsOfValue(end.value) });
    else {
      outcomes.push({ status: 'error', storage, name, data: null, error: end.error.message });
      if ((onError ?? context.host.world.saveErrors) === 'fail') return { outcomes, failure: failureFrom(end.error) };
    }
  }
  return { outcomes, failure: null };
}

/** A save to the execution itself. */
function inside(context: PartContext, save: CompiledSave, view: StepView, fallback: Json): SaveOutcome | PartEnd {
  try {
    const outcome = runSave(save, fallback, context.scope(view), context.rendering());
    checkRecord(outcome);
    return outcome;
  } catch (thrown) {
    return { ok: false, error: errorOf(context, save, asFailure(thrown)), value: null };
  }
}

async function toWorld(
  context: PartContext,
  save: CompiledSave,
  path: string,
  view: StepView,
  fallback: Json,
): Promise<SaveOutcome | PartEnd> {
  const { journal, host, activity } = context;
  const known = context.find(path);
  if (known?.ended) return known.ended;
  const { kind, storage, config } = save.external!;
  let end: PartEnd;
  try {
    const rendering = context.rendering();
    const secrets = new SecretScope(host.playbook.handles, save.auth, rendering);
    const scope = context.scope({ ...view, secrets });
    const isBegun = known?.inputs !== undefined && known.inputs !== null;
    if (!isBegun && save.when && !save.when.isTrue(scope, rendering)) return skipped(save);
    const data = isBegun
      ? (known.inputs!['data'] ?? null)
      : save.data
        ? save.data.render(scope.forSaveData(), rendering)
        : (storage.byDefault?.(fallback) ?? fallback);
    // In a statement, code or address `data` is what is saved, and `params` the same with the binds of the save laid over it.
    const storing = (): Scope => {
      if (!save.data && !save.params) return scope;
      const params = save.params ? save.params.render(scope.forSaveData(), rendering) : {};
      const moment = { ...view.moment, data, params: { ...(isObject(data) ? data : {}), ...(isObject(params) ? params : {}) } };
      return context.scope({ ...view, secrets, moment });
    };
    const request = isBegun ? known.request : secrets.seal(storage.render(config, data, storing(), rendering), scope);
    if (!isBegun) {
      checkRecord([data, request]);
      await journal.start({ path, attempt: 1, inputs: { data }, request });
    }
    const timeoutMs = kind.defaultTimeoutSeconds > 0 ? kind.defaultTimeoutSeconds * 1000 : null;
    const outcome = await activity.during(host.attempt({ kind, request, attempt: 1, path, timeoutMs }));
    if (host.signal.aborted) throw host.signal.reason;
    end = outcome.ok
      ? { ok: true, value: { data, detail: storage.outcome(outcome.result.value) } }
      : { ok: false, error: errorOf(context, save, outcome.failure), value: null };
  } catch (thrown) {
    if (host.signal.aborted) throw host.signal.reason;
    end = { ok: false, error: errorOf(context, save, asFailure(thrown)), value: null };
  }
  await journal.stop({ path, end });
  return end;
}

const skipped = ({ definition: { storage, name } }: CompiledSave): SaveOutcome => ({
  status: 'skipped',
  storage,
  name,
  data: null,
  error: null,
});

function partsOfValue(value: Json): { data: Json; detail: JsonObject } {
  if (!isObject(value)) return { data: value, detail: {} };
  return { data: value['data'] ?? null, detail: isObject(value['detail']) ? value['detail'] : {} };
}

function errorOf({ host }: PartContext, save: CompiledSave, failure: StepFailure): ReturnType<typeof detailsOf> {
  return detailsOf(failure, { step: host.step.name, stepType: `save to ${save.definition.storage}`, attempt: 1 });
}
