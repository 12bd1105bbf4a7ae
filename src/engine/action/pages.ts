import { type CompiledPages } from '../playbook/compiled.js';
import { MOST_PAGES } from '../playbook/document-limits.js';
import { type Rendering } from '../template/rendering.js';
import { type Scope } from '../template/scope.js';
import { isSealed, sealedRequest } from '../auth/sealed-request.js';
import { type StepOutcomeView, type StepView } from '../run/run-scope.js';
import { StepFailure, type StepKind } from '../step-executor.js';
import { isObject, type Json, type JsonObject, own } from '../values.js';
import { join, type PartContext, type TaskEnd } from './part-context.js';

/** What a page leaves behind: the request is made from it, not rendered again, where a crash comes between two pages (D20, D22). */
interface PageEnd {
  readonly items: Json;
  /** Request of the page that follows; null: this was the last one. */
  readonly next: Json;
}

/**
 * Reads page after page (playbook language §7.3): repeats the call with what `next_call` changes while its condition holds, and collects a part of each
 * answer. Each page is an effect of its own, and so is each of its attempts.
 * @param attempts performs one page, with its retries; @param outcomeOf what expressions see of its value
 */
export async function runPages(
  context: PartContext,
  kind: StepKind,
  pages: CompiledPages,
  path: string,
  view: StepView,
  first: Json,
  attempts: (path: string, request: Json) => Promise<TaskEnd>,
  outcomeOf: (value: Json) => StepOutcomeView,
): Promise<TaskEnd | { readonly value: Json }> {
  const calls = kind.pages;
  if (!calls) throw new StepFailure('unsupported_pagination', `Steps of type ${kind.kind} have no pages.`, { retryable: false });
  let collected: Json = pages.strategy === 'append' ? [] : null;
  let request = first;
  for (let page = 0; ; page += 1) {
    const pagePath = join(path, `p${page}`);
    let end = pageOf(context, pagePath);
    if (!end) {
      if (page > 0) await context.mayBegin(pagePath);
      const read = await attempts(pagePath, request);
      if (!read.end.ok) return read;
      end = afterPage(context, pages, view, calls, read.end.value, request, page, collected, outcomeOf);
      await context.journal.stop({ path: pagePath, end: { ok: true, value: { ...end } } });
    }
    collected = collect(pages.strategy, collected, end.items);
    if (end.next === null) return { value: collected };
    request = end.next;
  }
}

function pageOf(context: PartContext, path: string): PageEnd | null {
  const ended = context.find(path)?.ended;
  return ended?.ok && isObject(ended.value) ? { items: ended.value['items'] ?? null, next: ended.value['next'] ?? null } : null;
}

function afterPage(
  context: PartContext,
  pages: CompiledPages,
  view: StepView,
  calls: NonNullable<StepKind['pages']>,
  value: Json,
  request: Json,
  page: number,
  collected: Json,
  outcomeOf: (value: Json) => StepOutcomeView,
): PageEnd {
  const body = calls.body(value);
  const items = pages.path === null ? body : at(body, pages.path);
  const scope = context.scope({
    ...view,
    outcome: outcomeOf(value),
    moment: {
      ...view.moment,
      response: body,
      page: page + 1,
      ...(pages.into === null ? {} : { [pages.into]: collect(pages.strategy, collected, items) }),
    },
  });
  const rendering = context.rendering();
  if (page + 1 >= mostPages(pages, scope, rendering)) return { items, next: null };
  if (!pages.while.isTrue(scope, rendering)) return { items, next: null };
  const call = pages.nextCall.render(scope, rendering);
  const changes = isObject(call) ? call : {};
  if (isSealed(request)) return { items, next: sealedRequest(request.$auth, calls.next(request.request, changes)) };
  return { items, next: calls.next(request, changes) };
}

function mostPages({ maxPages }: CompiledPages, scope: Scope, rendering: Rendering): number {
  const most = Number(maxPages.render(scope, rendering) ?? Number.NaN);
  return Number.isInteger(most) && most >= 1 ? Math.min(most, MOST_PAGES) : MOST_PAGES;
}

function at(body: Json, path: readonly string[]): Json {
  let value: Json = body;
  for (const key of path) value = isObject(value) ? (own(value, key) ?? null) : Array.isArray(value) ? (value[Number(key)] ?? null) : null;
  return value;
}

function collect(strategy: CompiledPages['strategy'], collected: Json, items: Json): Json {
  if (strategy === 'replace') return items;
  if (strategy === 'merge' && Array.isArray(items)) return [...(Array.isArray(collected) ? collected : []), ...items];
  if (strategy === 'merge') return { ...(isObject(collected) ? collected : {}), ...(isObject(items) ? items : {}) } satisfies JsonObject;
  const list = Array.isArray(collected) ? collected : [];
  if (items === null) return list;
  return Array.isArray(items) ? [...list, ...items] : [...list, items];
}
