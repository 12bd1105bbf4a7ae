import { type CompiledCall } from '../playbook/compiled.js';
import { type ChildRecord } from '../run/parts.js';
import { type StepView } from '../run/run-scope.js';
import { StepFailure } from '../step-executor.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { itemOf } from './call-path.js';
import { join, type PartContext } from './part-context.js';

/** How many of the playbooks below a prefix run at once where they may. */
const PARALLEL_CALLS = 8;

/**
 * Calls what a `playbook` or `playbooks` action names and waits for it: each call is an execution of its own, which is born with the unit that records
 * it, and whose end is told to this run (D29). While it waits nothing is held but the record.
 * @param path of the part that calls; @param attempt of it, so that each has a child of its own
 */
export async function runCall(
  context: PartContext,
  call: CompiledCall,
  path: string,
  attempt: number,
  inputs: JsonObject,
  view: StepView,
): Promise<Json> {
  const scope = context.scope(view);
  const rendering = context.rendering();
  const version = textOf(call.version?.render(scope, rendering) ?? null);
  if (call.prefix)
    return callAll(context, path, attempt, inputs, textOf(call.prefix.render(scope, rendering)) ?? '', isTrue(call, view, context));
  const target = call.content
    ? { path: '', content: inlineText(call.content.render(scope, rendering)) }
    : { path: textOf(call.path!.render(scope, rendering)) ?? '', content: null };
  const returnStep = textOf(call.returnStep?.render(scope, rendering) ?? null);
  const ended = await callOne(
    context,
    path,
    attempt,
    { callable: call.callable, ...target, version, parameters: inputs },
    returnStep === null,
  );
  return valueOf(context, ended, returnStep);
}

/** Every playbook below a prefix, in the order of their paths; the list is recorded, so that it is the same after a crash. */
async function callAll(
  context: PartContext,
  path: string,
  attempt: number,
  inputs: JsonObject,
  prefix: string,
  parallel: boolean,
): Promise<Json> {
  const { host, journal, activity } = context;
  if (!context.find(path)?.loop) {
    const entries = await activity.during(host.children.below(host.run, prefix));
    void journal.tell({ type: 'loop_started', path, items: entries.map(({ path: at, version }): JsonObject => ({ path: at, version })) });
  }
  const loop = context.find(path)?.loop ?? (await new Promise<never>(() => undefined));
  let next = 0;
  let failed: StepFailure | null = null;
  const work = async (): Promise<void> => {
    while (failed === null && next < loop.items.length) {
      const index = next++;
      if (loop.over[index]) continue;
      await context.mayBegin();
      const entry = loop.items[index] as { path: string; version: string };
      try {
        const child = await callOne(context, join(path, String(index)), attempt, {
          ...entry,
          callable: 'playbook',
          content: null,
          parameters: inputs,
        });
        const value: JsonObject = { ...entry, execution_id: child.id, status: 'completed', result: await valueOf(context, child, null) };
        await journal.stopItem(path, { index, attempt: 1, end: { ok: true, value } });
      } catch (thrown) {
        if (!(thrown instanceof StepFailure)) throw thrown;
        failed ??= thrown;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(parallel ? PARALLEL_CALLS : 1, loop.items.length) }, work));
  const thrown = ends.find((end) => end.status === 'rejected');
  if (thrown) throw thrown.reason;
  if (failed) throw failed as StepFailure;
  return [...loop.values];
}

type Target = Pick<Parameters<PartContext['host']['children']['prepare']>[0], 'callable' | 'path' | 'content' | 'version' | 'parameters'>;
type EndedChild = ChildRecord & { readonly ended: NonNullable<ChildRecord['ended']> };

/** @param mayEnd no value of a step is asked for, which only what is stored can tell */
async function callOne(context: PartContext, path: string, attempt: number, target: Target, mayEnd = true): Promise<EndedChild> {
  const { host, activity, journal } = context;
  if (!context.find(path)?.child) {
    const item = itemOf(path, attempt);
    const { step, firing, run } = host;
    const call = { id: host.world.nextId(), parent: run, step: step.name, wave: firing.wave, item, eventId: null, ...target };
    const child = await activity.during(host.children.prepare(call));
    if (host.signal.aborted) throw host.signal.reason;
    await context.mayBegin();
    void journal.flush();
    await activity.during(host.bear(path, child, mayEnd));
  }
  const child = context.find(path)?.child ?? (await new Promise<never>(() => undefined));
  try {
    while (child.ended === null) await activity.sleepUntilTold((told) => host.onChildEnd(child.id, told));
  } catch (aborted) {
    await context.takeAlong([child.id]);
    throw aborted;
  }
  // It was cancelled because this program is aborted, in an earlier life of it: that is no outcome of the call.
  if (host.signal.aborted && child.ended.status === 'cancelled') throw host.signal.reason;
  return { ...child, ended: child.ended };
}

async function valueOf({ host, activity }: PartContext, { id, path, ended }: EndedChild, returnStep: string | null): Promise<Json> {
  if (ended.status !== 'completed') {
    const why = ended.error ? `: ${ended.error.message}` : '';
    throw new StepFailure('child_failed', `The playbook ${path} (execution ${id}) ended as ${ended.status}${why}`, {
      cause: { execution_id: id, status: ended.status, error: ended.error ? { ...ended.error } : null },
    });
  }
  if (returnStep === null && ended.result) return ended.result.value;
  const outcome = await activity.during(host.children.outcome(host.run.tenantId, id, returnStep));
  if (returnStep === null) return outcome?.result ?? null;
  if (!outcome?.returned)
    throw new StepFailure('child_failed', `The playbook ${path} (execution ${id}) did not run its step ${returnStep}.`, {
      retryable: false,
    });
  return outcome.returned.value;
}

function isTrue(call: CompiledCall, view: StepView, context: PartContext): boolean {
  const parallel = call.parallel?.render(context.scope(view), context.rendering()) ?? false;
  return parallel === true || parallel === 'true';
}

function textOf(value: Json): string | null {
  if (value === null || value === '' || isObject(value) || Array.isArray(value)) return null;
  return String(value);
}

/** A mapping is a playbook that was read already; JSON says the same. */
function inlineText(content: Json): string {
  if (isObject(content)) return JSON.stringify(content);
  if (typeof content === 'string' && content.trim() !== '') return content;
  throw new StepFailure('invalid_document', 'The content of the step is no text of a playbook.', { retryable: false });
}
