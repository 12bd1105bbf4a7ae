import { Injectable } from '@nestjs/common';
import { isInlinePath } from '../catalog/catalog-path.js';
import { isAnonymous, type Principal } from '../common/principal.js';
import { EngineError } from '../engine/engine-error.js';
import { isTerminal, type RunEvent } from '../engine/run/events.js';
import { keptForFork, keptForRetry } from '../engine/run/kept-history.js';
import { withSignalsOfTheirOwn } from '../engine/run/kept-signals.js';
import { inherited, withoutUndone } from '../engine/run/undone-firings.js';
import { StatusService, unknownExecution } from '../status/status.service.js';
import { CompiledPlaybooks } from '../storage/compiled-playbooks.js';
import { type ExecutionRecord } from '../storage/execution-record.js';
import { ExecutionEventRepository } from '../storage/repositories/execution-event.repository.js';
import { ExecutionService } from './execution.service.js';
import { RepeatedStarts } from './repeated-starts.js';
import { type Asked } from './start-command.js';
import { type RestartChange, type StartedRun, type StartRun } from './start-run.js';

/** Nothing is different this time. */
export const AS_IT_WAS: RestartChange = {
  version: null,
  parameters: null,
  options: { priority: null, startAt: null, delayMs: null, expiresInMs: null, timeoutMs: null },
};

/** An execution that something is started from. */
type Source = Awaited<ReturnType<StatusService['withParameters']>>;

/** Starts again, wholly or in part, what ran before: always as a new execution, because history never changes (D30, C3). */
@Injectable()
export class RestartService {
  constructor(
    private readonly executions: ExecutionService,
    private readonly repeated: RepeatedStarts,
    private readonly status: StatusService,
    private readonly history: ExecutionEventRepository,
    private readonly playbooks: CompiledPlaybooks,
  ) {}

  /** From its beginning. Throws `unknown_execution` and what a start throws. */
  async rerun(principal: Principal, id: string, change: RestartChange, asked: Asked): Promise<StartedRun> {
    return this.once(principal, asked, async () => {
      const source = await this.status.withParameters(principal, id);
      return this.start(principal, source, await this.firstOf(principal, source), change, asked, []);
    });
  }

  /** From where it failed or was cancelled; what completed and was not undone is kept. Throws `unknown_execution`, `already_completed`, `not_ended`. */
  async retry(principal: Principal, id: string, asked: Asked): Promise<StartedRun> {
    return this.once(principal, asked, async () => {
      const source = await this.status.withParameters(principal, id);
      const { status, catalogId } = source.record;
      if (!isTerminal(status)) throw new EngineError('conflict', 'not_ended', `Execution ${id} is still ${status}.`);
      if (status === 'completed') throw new EngineError('conflict', 'already_completed', `Execution ${id} has completed.`);
      const playbook = await this.playbooks.compiled(principal.tenant, catalogId);
      const events = await this.historyOf(source);
      const kept = withSignalsOfTheirOwn(events, withoutUndone(playbook, events, keptForRetry(events)));
      return this.start(principal, source, events[0], AS_IT_WAS, asked, kept);
    });
  }

  /** From a step of it; what does not follow from that step is kept. Throws `unknown_execution`, `step_never_ran`, `incompatible_version`. */
  async fork(principal: Principal, id: string, fromStep: string, change: RestartChange, asked: Asked): Promise<StartedRun> {
    return this.once(principal, asked, async () => {
      const source = await this.status.withParameters(principal, id);
      const playbook = await this.playbooks.compiled(principal.tenant, source.record.catalogId);
      const events = await this.historyOf(source);
      const kept = keptForFork(playbook, events, fromStep);
      if (!kept) {
        throw new EngineError('invalid', 'step_never_ran', `The step ${fromStep} has not run in execution ${id}.`, [
          { code: 'step_never_ran', pointer: '/from_step', message: 'names no step that has run' },
        ]);
      }
      const own = withSignalsOfTheirOwn(events, withoutUndone(playbook, events, kept));
      return this.start(principal, source, events[0], change, asked, inherited(own));
    });
  }

  /** What the key started before, which outlives the execution that it was made from (C2); else a start. */
  private async once(principal: Principal, asked: Asked, start: () => Promise<StartedRun>): Promise<StartedRun> {
    return (await this.repeated.find({ principal, ...asked })) ?? start();
  }

  /** All of it or nothing: what completed would be done again where its record is missing (C4). */
  private async historyOf({ record, durable }: Source): Promise<RunEvent[]> {
    const { tenantId, id, lastSeq } = record;
    if (!durable) {
      const message = `Execution ${id} was run without rows and has no history to go on from; a rerun starts it from its beginning.`;
      throw new EngineError('invalid', 'not_durable_unsupported', message);
    }
    const events = await this.history.whole(tenantId, id, lastSeq);
    if (events === null) throw unknownExecution(id);
    return events;
  }

  /** The first event, which knows the requesters; undefined where nobody is told apart, or nothing was recorded. */
  private async firstOf(principal: Principal, { record, durable }: Source): Promise<RunEvent | undefined> {
    if (isAnonymous(principal) || !durable) return undefined;
    const { items } = await this.history.page(record.tenantId, record.id, { after: 0, limit: 1, types: [] });
    const [first] = items;
    // Removed meanwhile: without it, who started the execution could approve what the new one asks for.
    if (first === undefined) throw unknownExecution(record.id);
    return first.event;
  }

  private start(
    principal: Principal,
    { record, parameters }: Source,
    first: RunEvent | undefined,
    change: RestartChange,
    asked: Asked,
    kept: readonly RunEvent[],
  ): Promise<StartedRun> {
    return this.executions.start({
      principal,
      lookup: lookupOf(record, change),
      executionType: null,
      parameters: change.parameters ?? parameters,
      merge: record.merge,
      durable: true,
      parent: { executionId: null, eventId: null, step: null },
      metadata: record.metadata ?? {},
      forkedFrom: record.id,
      kept,
      requesters: requestersOf(principal, first),
      options: { ...change.options, priority: change.options.priority ?? record.priority },
      ...asked,
    });
  }
}

/** Who started it, and those it was made from: none of them may approve what the new one asks for. */
function requestersOf(principal: Principal, first: RunEvent | undefined): readonly string[] {
  return !isAnonymous(principal) && first?.type === 'execution_started' ? (first.requesters ?? []) : [];
}

/** What was written inside a step has no path that could be asked for: it is the entry that it was, and has no other versions. */
function lookupOf({ path, version, catalogId }: ExecutionRecord, change: RestartChange): StartRun['lookup'] {
  if (isInlinePath(path) && change.version === null) return { style: 'id', id: catalogId, version: null };
  return { style: 'path', path, version: change.version ?? version };
}
