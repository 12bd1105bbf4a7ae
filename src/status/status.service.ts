import { Injectable } from '@nestjs/common';
import { jsonListOf } from '../common/json-list.js';
import { type Principal } from '../common/principal.js';
import { problemOf } from '../common/problem.js';
import { EngineError } from '../engine/engine-error.js';
import { isTerminal } from '../engine/run/events.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { CommitSignals } from '../storage/commit-signals.js';
import { EphemeralRuns } from '../storage/ephemeral-runs.js';
import { type ExecutionRecord, type ListedExecution } from '../storage/execution-record.js';
import { type Page, PAGE_BYTES } from '../storage/page-budget.js';
import {
  type EventPage,
  type EventPlace,
  ExecutionEventRepository,
  type StoredEvent,
} from '../storage/repositories/execution-event.repository.js';
import { type ExecutionFilter, ExecutionRepository } from '../storage/repositories/execution.repository.js';
import { RunWaits } from '../storage/run-waits.js';
import { type EventPagination, type ExecutionDetail, type ExecutionProgress } from './dto/execution-detail.js';
import { type ExecutionEvent } from './dto/execution-event.js';
import { type ExecutionStatus } from './dto/execution-status.js';
import { type ExecutionStep, type ExecutionTree, type ExecutionTreeNode } from './dto/execution-step.js';
import { durationInWords, durationSecondsOf, errorLineOf, executionStatusOf } from './dto/execution-view.js';
import { optionalTimeOf, timeOf } from './dto/time-text.js';
import { eventView } from './event-view.js';
import { shown } from './shown.js';
import { ShownTexts } from './shown-texts.js';
import { stepViews } from './step-view.js';

const ID = /^[1-9]\d{0,18}$/;
const COMPLETED_STEPS = 1_000;
const TREE_NODES = 1_000;
/** Followers read at least this often, whatever they hear (D34). */
const FOLLOW_POLL_MS = 1_000;
const FOLLOW_CHUNK = 500;
/** What a follower asks for at least, however slow the database is. */
const LEAST_FOLLOWED_BYTES = 64 * 1024;
const ENDS: ReadonlySet<string> = new Set(['execution_completed', 'execution_failed', 'execution_cancelled']);

interface FollowedEvents {
  readonly events: readonly ExecutionEvent[];
  readonly more: boolean;
  readonly over: boolean;
}

export interface EventQuery {
  readonly page: number;
  readonly pageSize: number;
  readonly after: number;
  readonly types: readonly string[];
}

/** The read side: rows as clients see them. Never derives a state from events. */
@Injectable()
export class StatusService {
  constructor(
    private readonly executions: ExecutionRepository,
    private readonly history: ExecutionEventRepository,
    private readonly signals: CommitSignals,
    private readonly ephemeral: EphemeralRuns,
    private readonly waits: RunWaits,
    private readonly texts: ShownTexts,
  ) {}

  /** @throws EngineError unknown_execution, also for ids that cannot exist and for other tenants' */
  async record(principal: Principal, id: string): Promise<ExecutionRecord> {
    return (await this.find(principal, id)).record;
  }

  /** The row with the parameters it was started with, and whether there are rows of it at all. @throws EngineError unknown_execution */
  async withParameters(
    principal: Principal,
    id: string,
  ): Promise<{ readonly record: ExecutionRecord; readonly parameters: JsonObject; readonly durable: boolean }> {
    const { record, parameters, durable } = await this.find(principal, id);
    return { record, parameters: parameters ?? {}, durable };
  }

  /** What a step of an `input` type asks now, and in which firing; null where it asks nothing. */
  async openInput({ tenant }: Principal, id: string, step: string): Promise<{ wave: number; requests: JsonObject } | null> {
    const event = await this.history.newestOf(tenant, id, step);
    if (event?.type !== 'step_waiting' || event.waitsFor.kind !== 'input') return null;
    return { wave: event.wave, requests: event.waitsFor.requests ?? {} };
  }

  async list(
    principal: Principal,
    filter: ExecutionFilter,
    page: { before: string | null; offset: number; limit: number },
  ): Promise<Page<ExecutionStatus>> {
    const { items, more } = await this.executions.list(principal.tenant, filter, page);
    return { items: items.map(listedStatusOf), more };
  }

  /** JSON of a page of the list, in UTF-8. `next` is the id that the next page begins below, null on the last one. */
  async listJson(
    principal: Principal,
    filter: ExecutionFilter,
    page: { before: string | null; offset: number; limit: number },
  ): Promise<{ json: Buffer; next: string | null }> {
    const { items, more } = await this.executions.list(principal.tenant, filter, page);
    return { json: jsonListOf(items, listedStatusOf), next: more ? items.at(-1)!.id : null };
  }

  /** Long poll: comes back at the end of the execution or of the wait; false where waiting was not granted. */
  async waitForEnd(principal: Principal, id: string, waitMs: number): Promise<boolean> {
    const wait = this.waits.begin(principal.tenant, id, waitMs);
    if (!wait) return false;
    // Subscribed before the read, so that no end falls between the two.
    const record = await this.record(principal, id).catch((error: unknown) => {
      wait.cancel();
      throw error;
    });
    if (isTerminal(record.status)) wait.cancel();
    await wait.ended;
    return true;
  }

  async detail(principal: Principal, id: string, events: EventQuery | null): Promise<ExecutionDetail> {
    const found = await this.find(principal, id);
    const { result } = found;
    const status = executionStatusOf(found.record, { result, parameters: found.parameters, durable: found.durable });
    const page =
      events && found.durable ? await this.newestEvents(found.record, result, events) : { events: events ? [] : null, pagination: null };
    return { ...status, ...page };
  }

  /** JSON of the result alone, of any size, as text or its UTF-8. @throws EngineError unknown_execution */
  async resultText(principal: Principal, id: string): Promise<string | Buffer> {
    const { resultOmitted, result } = await this.find(principal, id);
    if (!resultOmitted) return JSON.stringify(shown(result));
    return this.texts.shown((await this.executions.resultText(principal.tenant, id)) ?? 'null');
  }

  /** The same of the result, raw value or inputs of one event. @throws EngineError unknown_execution, not_found */
  async eventValue(principal: Principal, id: string, seq: number, place: EventPlace): Promise<string | Buffer> {
    const record = await this.record(principal, id);
    const { items } = await this.history.page(principal.tenant, record.id, { after: seq - 1, limit: 1, types: [] });
    const [stored] = items;
    if (stored?.seq !== seq) throw new EngineError('not_found', 'not_found', `Execution ${id} has no event ${seq}.`);
    if (stored.event.type === 'execution_completed' && place === 'result') return this.resultText(principal, id);
    return this.texts.shown((await this.history.valueText(principal.tenant, record.id, seq, place)) ?? 'null');
  }

  async progress(principal: Principal, id: string): Promise<ExecutionProgress> {
    const record = await this.record(principal, id);
    const seconds = durationSecondsOf(record);
    return {
      execution_id: record.id,
      status: record.status,
      progress: record.progress,
      current_step: record.currentStep,
      completed_steps: await this.history.completedSteps(principal.tenant, id, COMPLETED_STEPS),
      completed: record.status === 'completed',
      failed: record.status === 'failed',
      completion_inferred: false,
      variables: {},
      start_time: timeOf(record.createdAt),
      end_time: optionalTimeOf(record.endedAt),
      duration_seconds: seconds,
      duration_human: seconds === null ? null : durationInWords(seconds),
      error: shown(errorLineOf(record.error)),
    };
  }

  /** Events with seq > after, oldest first, fewer where they are large. `next` is the seq to go on after, null at the present end of the history. */
  async events(
    principal: Principal,
    id: string,
    query: { after: number; limit: number; types: readonly string[] },
  ): Promise<{ events: ExecutionEvent[]; next: number | null }> {
    const record = await this.record(principal, id);
    const { items, more } = await this.history.page(principal.tenant, id, query);
    return { events: await this.views(record, items), next: more ? items.at(-1)!.seq : null };
  }

  /**
   * The history from `after` on as it grows, in chunks, to the terminal event. Hears of commits on this node in memory and
   * reads rows at least every second everywhere; an empty chunk says only that a second has passed.
   */
  async *follow(record: ExecutionRecord, after: number, signal: AbortSignal): AsyncGenerator<readonly ExecutionEvent[]> {
    const { id } = record;
    let [last, rows, bytes] = [after, FOLLOW_CHUNK, PAGE_BYTES];
    while (!signal.aborted && !this.waits.draining) {
      // Subscribed before the read, so that no commit falls between the two.
      const moved = this.nextCommit(id, signal);
      const found = await this.nextEvents(record, { after: last, limit: rows, bytes, types: [] });
      if (found === null) {
        // Where the database is slow, less may still come in time.
        [rows, bytes] = [Math.ceil(rows / 2), Math.max(LEAST_FOLLOWED_BYTES, Math.floor(bytes / 2))];
        await moved.happened;
        continue;
      }
      const { events, more, over } = found;
      last = events.at(-1)?.seq ?? last;
      // Of large ones only as many are looked at as come along.
      rows = Math.min(FOLLOW_CHUNK, more ? 2 * events.length : 2 * rows);
      bytes = Math.min(PAGE_BYTES, Math.floor(1.25 * bytes));
      yield events;
      if (over) return moved.forget();
      if (more) moved.forget();
      else await moved.happened;
    }
  }

  /**
   * What a follower has not seen, at most a page of it, and whether nothing more can come; null where the database is away or too slow: that ends no
   * stream, the next look may succeed.
   */
  private async nextEvents(record: ExecutionRecord, page: EventPage): Promise<FollowedEvents | null> {
    const { tenantId, id } = record;
    try {
      const { items, more } = await this.history.page(tenantId, id, page);
      const now = items.length === 0 ? await this.executions.byId(tenantId, id) : undefined;
      const gone = now === null || (now !== undefined && isTerminal(now.status) && now.lastSeq <= page.after);
      return { events: await this.views(record, items), more, over: gone || items.some(({ event }) => ENDS.has(event.type)) };
    } catch (error) {
      if (problemOf(error).status === 503) return null;
      throw error;
    }
  }

  /** Resolves at the next commit of the run on this node, after the polling interval, or when the follower leaves. */
  private nextCommit(id: string, signal: AbortSignal): { happened: Promise<void>; forget(): void } {
    const { promise: happened, resolve } = Promise.withResolvers<void>();
    const forget = (): void => {
      unfollow();
      clearTimeout(timer);
      signal.removeEventListener('abort', forget);
      resolve();
    };
    const unfollow = this.signals.follow(id, forget);
    const timer = setTimeout(forget, FOLLOW_POLL_MS);
    signal.addEventListener('abort', forget, { once: true });
    return { happened, forget };
  }

  async steps(
    principal: Principal,
    id: string,
    page: { after: number; limit: number },
  ): Promise<{ steps: ExecutionStep[]; next: number | null }> {
    const record = await this.record(principal, id);
    const { next, events } = await this.history.firings(principal.tenant, id, page.after, page.limit);
    return { steps: stepViews(record, events), next };
  }

  /** The execution and everything that names it as parent, level by level. */
  async tree(principal: Principal, id: string): Promise<ExecutionTree> {
    const root = nodeOf(await this.record(principal, id));
    const nodes = new Map([[id, root]]);
    let level = [id];
    let truncated = false;
    while (level.length > 0 && !truncated) {
      const room = TREE_NODES - nodes.size;
      const children = await this.executions.childrenOf(principal.tenant, level, room + 1);
      truncated = children.length > room;
      level = [];
      for (const child of children.slice(0, room)) {
        if (nodes.has(child.id)) continue;
        const node = nodeOf(child);
        nodes.set(child.id, node);
        nodes.get(child.parentExecutionId!)!.children.push(node);
        level.push(child.id);
      }
    }
    return { root, count: nodes.size, truncated };
  }

  private async find(
    principal: Principal,
    id: string,
  ): Promise<{
    record: ExecutionRecord;
    result: Json;
    resultOmitted: boolean;
    parameters: ExecutionDetail['parameters'];
    durable: boolean;
  }> {
    if (!ID.test(id) || BigInt(id) > 9_223_372_036_854_775_807n) throw unknownExecution(id);
    const ephemeral = this.ephemeral.find(principal.tenant, id);
    if (ephemeral)
      return { record: ephemeral.record, result: ephemeral.result, resultOmitted: false, parameters: ephemeral.parameters, durable: false };
    const found = await this.executions.withPayload(principal.tenant, id);
    if (!found) throw unknownExecution(id);
    return { record: found.record, ...found.payload, durable: true };
  }

  private async newestEvents(
    record: ExecutionRecord,
    result: Json,
    query: EventQuery,
  ): Promise<{ events: ExecutionEvent[]; pagination: EventPagination }> {
    const { page, pageSize, after, types } = query;
    const [total, stored] = await Promise.all([
      this.history.count(record.tenantId, record.id, after, types),
      this.history.newest(record.tenantId, record.id, { after, limit: pageSize, types }, (page - 1) * pageSize),
    ]);
    const pages = Math.ceil(total / pageSize);
    return {
      events: stored.map((event) => eventView(record, event, result)),
      pagination: { page, page_size: pageSize, total_events: total, total_pages: pages, has_next: page < pages, has_prev: page > 1 },
    };
  }

  /** The result is stored once, beside the row; only a page with the end needs it. */
  private async views(record: ExecutionRecord, stored: readonly StoredEvent[]): Promise<ExecutionEvent[]> {
    const ended = stored.some(({ event }) => event.type === 'execution_completed');
    const payload = ended ? (await this.executions.withPayload(record.tenantId, record.id))?.payload : undefined;
    const result: Json = payload?.result ?? null;
    return stored.map((event) => eventView(record, event, result));
  }
}

const listedStatusOf = (record: ListedExecution): ExecutionStatus => executionStatusOf(record, { listed: true });

function nodeOf(record: ExecutionRecord): ExecutionTreeNode {
  return {
    execution_id: record.id,
    path: record.path,
    version: record.shownVersion,
    status: record.status,
    progress: record.progress,
    parent_step: record.parentStep,
    children: [],
  };
}

/** What everybody says of an execution that is not there, or not any more. */
export function unknownExecution(id: string): EngineError {
  return new EngineError('not_found', 'unknown_execution', `There is no execution ${id.slice(0, 40)}.`);
}
