import { type CompiledIterator } from '../playbook/compiled.js';
import { type RunErrorDetails } from '../run/events.js';
import { failureFrom } from '../run/failures.js';
import { type ItemError } from '../run/parts.js';
import { type StepView } from '../run/run-scope.js';
import { StepFailure } from '../step-executor.js';
import { type Scope, TemplateReference } from '../template/scope.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { hasEffects } from './effects.js';
import { collectionOf, concurrencyOf } from './loop-items.js';
import { checkRecord, join, type PartContext, type RunTask, type TaskEnd } from './part-context.js';

/** What an iterator comes to: the values in the order of the items, null where one failed. */
export interface LoopEnd {
  readonly values: readonly Json[];
  readonly errors: readonly ItemError[];
}

/**
 * Runs the tasks of an iterator for each item that has not ended yet, as many at once as it says (playbook language §6.6).
 * @param view of the step, or of the item it stands in; @param path of the part that iterates
 * @throws StepFailure of the first item that failed where failures are not to be gone over
 */
export async function runLoop(
  context: PartContext,
  iterator: CompiledIterator,
  path: string,
  view: StepView,
  runTask: RunTask,
): Promise<LoopEnd> {
  const { journal, host } = context;
  if (!context.find(path)?.loop) {
    const items = await collectionOf(context, iterator, view);
    checkRecord(items);
    void journal.tell({ type: 'loop_started', path, items });
  }
  // Records are kept by the run alone: one that has let go of this program keeps none.
  const loop = context.find(path)?.loop ?? (await new Promise<never>(() => undefined));
  const concurrency = concurrencyOf(context, iterator, view);
  const withEffects = iterator.tasks.some(hasEffects);
  const outer = context.scope(view);
  // Where this program was made again: where another item has failed, these come to their end all the same.
  const begun = new Set(Object.keys(context.find(path)?.parts ?? {}).map(Number));
  let next = 0;
  let stop = iterator.onError === 'fail' && loop.errors.length > 0;
  const work = async (): Promise<void> => {
    while (next < loop.items.length && (!stop || begun.size > 0)) {
      const index = next++;
      const isBegun = begun.delete(index);
      if (loop.over[index] || (stop && !isBegun)) continue;
      const itemPath = join(path, String(index));
      const task = await context.begin(itemPath, async () => {
        if (stop && !isBegun) return null;
        const item = loop.items[index]!;
        const names = namesOf(iterator, host.step.name, item, index, loop.items.length, outer);
        return runItem(context, iterator, itemPath, { ...view, moment: { ...view.moment, ...names } }, runTask);
      });
      if (!task) continue;
      const { end, attempt, logs, saves, characters } = task;
      if (!end.ok && iterator.onError === 'fail') stop = true;
      const ended = {
        index,
        end: end.ok ? end : { ...end, error: { ...end.error, item_index: index } },
        attempt,
        ...(logs ? { logs } : {}),
        ...(saves ? { saves } : {}),
      };
      if (withEffects) await journal.stopItem(path, ended);
      else journal.noteItem(path, ended, characters);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(concurrency, loop.items.length) }, work));
  // What was not begun, because the run fails or is aborted, has no outcome.
  const thrown = ends.find((end) => end.status === 'rejected');
  const written = journal.flush();
  if (withEffects) await written;
  if (thrown) throw thrown.reason;
  if (iterator.onError === 'fail' && loop.errors.length > 0) throw itemFailure(loop.errors);
  return { values: loop.values, errors: loop.errors };
}

/** The tasks of one item, in order; the last one's value counts, and each sees the one before as `result`. */
async function runItem(
  context: PartContext,
  { tasks, element }: CompiledIterator,
  path: string,
  view: StepView,
  runTask: RunTask,
): Promise<TaskEnd> {
  if (tasks.length === 1) return runTask(context, tasks[0]!, path, view, element);
  let last: TaskEnd = { end: { ok: true, value: null }, attempt: 1, characters: 0 };
  let seen = view;
  for (const [at, task] of tasks.entries()) {
    const taskPath = join(path, `t${at}`);
    const isOver = context.find(taskPath)?.ended;
    const run = (): Promise<TaskEnd> => runTask(context, task, taskPath, seen, element);
    last = at > 0 && !isOver ? await context.begin(taskPath, run) : await run();
    if (!isOver && at < tasks.length - 1) {
      const { end, logs, saves } = last;
      const stop = { path: taskPath, end, ...(logs ? { logs } : {}), ...(saves ? { saves } : {}) };
      if (hasEffects(task)) await context.journal.stop(stop);
      else context.journal.note(stop, last.characters);
    }
    if (!last.end.ok) return last;
    const { value } = last.end;
    seen = { ...view, outcome: { names: [], value, status: 'success', error: null, meta: null, valueAliases: undefined } };
  }
  return last;
}

function namesOf(
  iterator: CompiledIterator,
  step: string,
  item: Json,
  index: number,
  count: number,
  outer: Scope,
): Record<string, unknown> {
  const places = {
    index,
    current_index: index,
    item,
    current_item: item,
    count,
    size: count,
    first: index === 0,
    last: index === count - 1,
  };
  return {
    [step]: { result_index: index },
    parent: new OuterContext(outer),
    ...(iterator.enumerate ? { index } : {}),
    ...(iterator.chunk ? { batch: item } : {}),
    [iterator.element]: item,
    _loop: places,
  };
}

/** `parent`: the names outside the iterator. */
class OuterContext extends TemplateReference {
  constructor(private readonly outer: Scope) {
    super();
  }
  get(key: string | number): unknown {
    return typeof key === 'string' ? this.outer.lookup(key) : undefined;
  }
  unwrap(): Json {
    const inputs = this.outer.lookup('input');
    return isObject(inputs) ? inputs : {};
  }
}

function itemFailure(errors: readonly ItemError[]): StepFailure {
  const { index, error } = errors.reduce((first, each) => (each.index < first.index ? each : first));
  const { statusCode } = failureFrom(error);
  return new StepFailure(error.code, `Item ${index} failed: ${error.message}`, {
    retryable: error.retryable,
    cause: causeOf(error),
    itemIndex: index,
    ...(statusCode === undefined ? {} : { statusCode }),
  });
}

function causeOf(error: RunErrorDetails): Json {
  const cause: JsonObject = { ...error };
  return cause;
}
