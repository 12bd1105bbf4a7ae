import { type CompiledIterator } from '../playbook/compiled.js';
import { asFailure } from '../run/failures.js';
import { type StepView } from '../run/run-scope.js';
import { StepFailure } from '../step-executor.js';
import { isObject, type Json } from '../values.js';
import { type PartContext } from './part-context.js';

/** Most items of one iterator. */
const MAX_ITEMS = 100_000;
/** Characters of a list that is written as Python writes it. */
const LONGEST_LITERAL = 1_048_576;
const DEFAULT_CONCURRENCY = 8;
const MAX_CONCURRENCY = 64;
/** Conditions are evaluated in turns of so many items, so that no collection holds the process (R14). */
const ITEMS_PER_TURN = 200;

/** The items as the iterator filters, sorts, cuts and groups them. @throws StepFailure */
export async function collectionOf(context: PartContext, iterator: CompiledIterator, view: StepView): Promise<readonly Json[]> {
  const all = listOf(iterator.collection.render(context.scope(view), context.rendering()));
  let items = iterator.where || iterator.orderBy ? await chosen(context, iterator, view, all) : all;
  const limit = countOf(context, iterator, 'limit', view, 0);
  if (limit !== null) items = items.slice(0, limit);
  const chunk = countOf(context, iterator, 'chunk', view, 1);
  const grouped = chunk === null ? items : groups(items, chunk);
  if (grouped.length > MAX_ITEMS)
    throw new StepFailure('loop_limit', `The collection has ${grouped.length} items; an iterator goes over ${MAX_ITEMS} at most.`, {
      retryable: false,
      origin: 'limit',
    });
  return grouped;
}

/** How many items may be under way at once. */
export function concurrencyOf(context: PartContext, iterator: CompiledIterator, view: StepView): number {
  const mode = iterator.mode.render(context.scope(view), context.rendering());
  if (mode !== 'async' && mode !== 'parallel') return 1;
  return Math.min(countOf(context, iterator, 'concurrency', view, 1) ?? DEFAULT_CONCURRENCY, MAX_CONCURRENCY);
}

/** What is no list is a list of one; nothing is an empty one; text that holds a list is that list. */
function listOf(value: Json): readonly Json[] {
  if (value === null || value === '') return [];
  if (Array.isArray(value)) return value;
  if (typeof value !== 'string') return [value];
  const text = value.trim();
  if (!text.startsWith('[') || !text.endsWith(']')) return [value];
  const parsed = parseList(text) ?? (text.length <= LONGEST_LITERAL ? parseList(asJson(text)) : null);
  return parsed ?? [value];
}

function parseList(text: string): readonly Json[] | null {
  try {
    const parsed = JSON.parse(text) as Json;
    return Array.isArray(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

/** A literal of Python in the words of JSON: real documents print lists into texts. */
function asJson(text: string): string {
  return text.replace(/'((?:[^'\\]|\\.)*)'|"(?:[^"\\]|\\.)*"|\b(?:True|False|None)\b/g, (word: string, single: string | undefined) => {
    if (single !== undefined) return JSON.stringify(single.replace(/\\'/g, "'").replace(/\\\\/g, '\\'));
    return word === 'True' ? 'true' : word === 'False' ? 'false' : word === 'None' ? 'null' : word;
  });
}

async function chosen(context: PartContext, iterator: CompiledIterator, view: StepView, all: readonly Json[]): Promise<readonly Json[]> {
  const { where, orderBy, element } = iterator;
  const kept: { readonly item: Json; readonly key: Json }[] = [];
  let rendering = context.rendering();
  for (const [index, item] of all.entries()) {
    if (index > 0 && index % ITEMS_PER_TURN === 0) {
      await new Promise<void>((resolve) => context.host.clock.after(0, resolve));
      rendering = context.rendering();
    }
    const places = { index, current_index: index, item, current_item: item, count: all.length, size: all.length };
    const scope = context.scope({ ...view, moment: { ...view.moment, [element]: item, item, _loop: places } });
    try {
      if (where && !where.isTrue(scope, rendering)) continue;
      kept.push({ item, key: orderBy ? orderBy.key.render(scope, rendering) : null });
    } catch (thrown) {
      const failure = asFailure(thrown);
      throw new StepFailure(failure.code, `Item ${index}: ${failure.message}`, { retryable: false, itemIndex: index });
    }
  }
  if (orderBy) kept.sort((a, b) => (orderBy.descending ? compare(b.key, a.key) : compare(a.key, b.key)));
  return kept.map(({ item }) => item);
}

/** Numbers before texts before whatever has no order. */
function compare(a: Json, b: Json): number {
  const [rankA, rankB] = [rank(a), rank(b)];
  if (rankA !== rankB) return rankA - rankB;
  if (rankA === 0) return Number(a) - Number(b);
  return rankA === 1 ? (String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0) : 0;
}

function rank(key: Json): number {
  if (typeof key === 'number' || typeof key === 'boolean') return 0;
  return typeof key === 'string' ? 1 : 2;
}

function groups(items: readonly Json[], size: number): Json[] {
  const grouped: Json[] = [];
  for (let at = 0; at < items.length; at += size) grouped.push(items.slice(at, at + size));
  return grouped;
}

function countOf(
  context: PartContext,
  iterator: CompiledIterator,
  field: 'limit' | 'chunk' | 'concurrency',
  view: StepView,
  least: number,
): number | null {
  const rendered = iterator[field]?.render(context.scope(view), context.rendering()) ?? null;
  if (rendered === null || rendered === '') return null;
  const count = typeof rendered === 'number' || typeof rendered === 'string' ? Number(rendered) : Number.NaN;
  if (Number.isInteger(count) && count >= least) return count;
  const given = isObject(rendered) || Array.isArray(rendered) ? 'no number' : JSON.stringify(rendered);
  throw new StepFailure('invalid_value', `${field} of the iterator must be a whole number from ${least}, not ${given}.`, {
    retryable: false,
  });
}
