import { Injectable } from '@nestjs/common';
import { isInlinePath } from '../catalog/catalog-path.js';
import { isAnonymous, type Principal } from '../common/principal.js';
import { EngineError } from '../engine/engine-error.js';
import { isTerminal, type RunEvent } from '../engine/run/events.js';
import { keptForFork, keptForRetry } from '../engine/run/kept-history.js';
import { inherited, withoutUndone } from '../engine/run/undone-firings.js';
import { type JsonObject } from '../engine/values.js';
import { StatusService } from '../status/status.service.js';
import { CompiledPlaybooks } from '../storage/compiled-playbooks.js';
import { type ExecutionRecord } from '../storage/execution-record.js';
import { ExecutionEventRepository } from '../storage/repositories/execution-event.repository.js';
import { ExecutionService } from './execution.service.js';
import { type Asked } from './start-command.js';
import { type RestartChange, type StartedRun, type StartRun } from './start-run.js';

/** Nothing is different this time. */
export const AS_IT_WAS: RestartChange = {
  version: null,
  parameters: null,
  options: { priority: null, startAt: null, delayMs: null, expiresInMs: null, timeoutMs: null },
};

/** Starts again, wholly or in part, what ran before: always as a new execution, because history never changes (D30, C3). */
@Injectable()
export class RestartService {
  constructor(
    private readonly executions: ExecutionService,
    private readonly status: StatusService,
    private readonly history: ExecutionEventRepository,
    private readonly playbooks: CompiledPlaybooks,
  ) {}

  /** From its beginning. Throws `unknown_execution` and what a start throws. */
  async rerun(principal: Principal, id: string, change: RestartChange, asked: Asked): Promise<StartedRun> {
    const { record, parameters } = await this.status.withParameters(principal, id);
    return this.start(principal, record, parameters, change, asked, []);
  }

  /** From where it failed or was cancelled; what completed and was not undone is kept. Throws `unknown_execution`, `already_completed`, `not_ended`. */
  async retry(principal: Principal, id: string, asked: Asked): Promise<StartedRun> {
    const { record, parameters } = await this.status.withParameters(principal, id);
    if (!isTerminal(record.status)) throw new EngineError('conflict', 'not_ended', `Execution ${id} is still ${record.status}.`);
    if (record.status === 'completed') throw new EngineError('conflict', 'already_completed', `Execution ${id} has completed.`);
    const [playbook, events] = [await this.playbooks.compiled(principal.tenant, record.catalogId), await this.events(record)];
    return this.start(principal, record, parameters, AS_IT_WAS, asked, withoutUndone(playbook, events, keptForRetry(events)));
  }

  /** From a step of it; what does not follow from that step is kept. Throws `unknown_execution`, `step_never_ran`, `incompatible_version`. */
  async fork(principal: Principal, id: string, fromStep: string, change: RestartChange, asked: Asked): Promise<StartedRun> {
    const { record, parameters } = await this.status.withParameters(principal, id);
    const playbook = await this.playbooks.compiled(principal.tenant, record.catalogId);
    const events = await this.events(record);
    const kept = keptForFork(playbook, events, fromStep);
    if (!kept) {
      throw new EngineError('invalid', 'step_never_ran', `The step ${fromStep} has not run in execution ${id}.`, [
        { code: 'step_never_ran', pointer: '/from_step', message: 'names no step that has run' },
      ]);
    }
    return this.start(principal, record, parameters, change, asked, inherited(withoutUndone(playbook, events, kept)));
  }

  private events({ tenantId, id }: ExecutionRecord): Promise<RunEvent[]> {
    return this.history.whole(tenantId, id);
  }

  /** Who started it, and those it was made from: none of them may approve what the new one asks for. */
  private async requestersOf(principal: Principal, { tenantId, id }: ExecutionRecord): Promise<readonly string[]> {
    if (isAnonymous(principal)) return [];
    const { items } = await this.history.page(tenantId, id, { after: 0, limit: 1, types: [] });
    const [first] = items;
    return first?.event.type === 'execution_started' ? (first.event.requesters ?? []) : [];
  }

  private async start(
    principal: Principal,
    record: ExecutionRecord,
    parameters: JsonObject,
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
      requesters: await this.requestersOf(principal, record),
      options: { ...change.options, priority: change.options.priority ?? record.priority },
      ...asked,
    });
  }
}

/** What was written inside a step has no path that could be asked for: it is the entry that it was, and has no other versions. */
function lookupOf({ path, version, catalogId }: ExecutionRecord, change: RestartChange): StartRun['lookup'] {
  if (isInlinePath(path) && change.version === null) return { style: 'id', id: catalogId, version: null };
  return { style: 'path', path, version: change.version ?? version };
}
