import { Injectable } from '@nestjs/common';
import { type Principal } from '../common/principal.js';
import { EngineError, type Issue } from '../engine/engine-error.js';
import { answerIssues } from '../engine/playbook/input-requests.js';
import { isTerminal } from '../engine/run/events.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { StatusService } from '../status/status.service.js';
import { CompiledPlaybooks } from '../storage/compiled-playbooks.js';
import { EphemeralRuns } from '../storage/ephemeral-runs.js';
import { type ExecutionRecord } from '../storage/execution-record.js';
import { type Delivery, Inbox } from '../storage/inbox.js';
import { type CancelledRun, type CancelRun, type ControlledRun } from './start-run.js';

/** Wishes about going executions. Each is acknowledged by the commit of its message; the holder turns it into an event (D5). */
@Injectable()
export class ControlService {
  constructor(
    private readonly status: StatusService,
    private readonly inbox: Inbox,
    private readonly ephemeral: EphemeralRuns,
    private readonly playbooks: CompiledPlaybooks,
  ) {}

  /** Asks an execution to end as cancelled. Throws `unknown_execution`, `already_completed`, `already_failed`. */
  async cancel(principal: Principal, id: string, { reason, cascade, force }: CancelRun): Promise<CancelledRun> {
    const payload = { reason, cascade, force, by: principal.subject };
    if (this.ephemeral.cancel(principal.tenant, id, payload)) return cancelling(await this.status.record(principal, id));
    const delivery = await this.inbox.deliver(principal.tenant, id, 'cancel', payload);
    const execution = await this.status.record(principal, id);
    if (delivery.kind === 'delivered') return cancelling(execution);
    const so = { execution, cancelled: [], alreadySo: true };
    if (delivery.kind === 'already_so') return { ...so, message: 'The execution was asked to cancel before.' };
    if (execution.status === 'cancelled') return { ...so, message: 'The execution was cancelled before.' };
    throw alreadyEnded(execution);
  }

  /** Asks an execution to stand still: what runs comes to its end, nothing starts. Throws `unknown_execution`, `already_<state>`. */
  async pause(principal: Principal, id: string, reason: string | null): Promise<ControlledRun> {
    await this.refuseEphemeral(principal, id);
    return this.outcome(principal, id, await this.inbox.deliver(principal.tenant, id, 'pause', { reason, by: principal.subject }));
  }

  /** Lets a paused execution go on. Throws `unknown_execution`, `already_<state>`. */
  async resume(principal: Principal, id: string): Promise<ControlledRun> {
    await this.refuseEphemeral(principal, id);
    return this.outcome(principal, id, await this.inbox.deliver(principal.tenant, id, 'resume', { by: principal.subject }));
  }

  /**
   * Gives a signal to the step that waits for it, now or later. Checked against the pinned definition, also where it comes early.
   * A step that asks for input is answered this way while it asks, and the answer is to what it asks then.
   * Throws `unknown_execution`, `already_<state>`, `unknown_signal`, `input_not_asked`, `schema_violation`.
   */
  async signal(principal: Principal, id: string, name: string, payload: Json): Promise<ControlledRun> {
    await this.refuseEphemeral(principal, id);
    const record = await this.status.record(principal, id);
    if (isTerminal(record.status)) throw alreadyEnded(record);
    const playbook = await this.playbooks.compiled(principal.tenant, record.catalogId);
    if (playbook.inputs.has(name)) return this.answer(principal, id, name, payload);
    const schemas = playbook.signals.get(name);
    if (!schemas) {
      const known = [...playbook.signals.keys(), ...playbook.inputs];
      const hint = known.length === 0 ? 'it waits for none' : `it waits for ${known.slice(0, 20).join(', ')}`;
      throw new EngineError('invalid', 'unknown_signal', `No step of ${record.path} waits for a signal of this name; ${hint}.`, [
        { code: 'unknown_signal', pointer: '/name', message: 'is none that a wait_for or input step names' },
      ]);
    }
    refuseMisfits(
      schemas.flatMap((schema) => schema.issuesOf(payload)),
      `The payload does not fit the schema of the signal ${name}.`,
    );
    const message: JsonObject = { name, payload, by: principal.subject };
    return this.outcome(principal, id, await this.inbox.deliver(principal.tenant, id, 'signal', message));
  }

  /** Bound to the firing that asks: a late answer to one round is none to the next. */
  private async answer(principal: Principal, id: string, step: string, payload: Json): Promise<ControlledRun> {
    const asked = await this.status.openInput(principal, id, step);
    if (!asked) throw new EngineError('conflict', 'input_not_asked', `The step ${step} of execution ${id} does not ask for input now.`);
    refuseMisfits(answerIssues(asked.requests, payload), `The payload does not answer what the step ${step} asks.`);
    const message: JsonObject = { name: step, payload, wave: asked.wave, by: principal.subject };
    return this.outcome(principal, id, await this.inbox.deliver(principal.tenant, id, 'signal', message));
  }

  private async outcome(principal: Principal, id: string, delivery: Delivery): Promise<ControlledRun> {
    const execution = await this.status.record(principal, id);
    if (delivery.kind === 'over' || delivery.kind === 'not_found') throw alreadyEnded(execution);
    return { execution, alreadySo: delivery.kind === 'already_so' };
  }

  /** A run without rows has no inbox that would outlive a wait; the answer to its start is held until its end anyway (D32). */
  private async refuseEphemeral(principal: Principal, id: string): Promise<void> {
    const run = this.ephemeral.find(principal.tenant, id);
    if (!run) return;
    const { record } = run;
    if (isTerminal(record.status)) throw alreadyEnded(record);
    throw new EngineError('invalid', 'not_durable_unsupported', 'An execution without rows can only be cancelled.');
  }
}

function refuseMisfits(issues: readonly Issue[], message: string): void {
  if (issues.length === 0) return;
  const found = issues.map((issue) => ({ ...issue, pointer: `/payload${issue.pointer ?? ''}` }));
  throw new EngineError('invalid', 'schema_violation', message, found);
}

function alreadyEnded({ id, status }: ExecutionRecord): EngineError {
  if (status === 'completed') return new EngineError('conflict', 'already_completed', `Execution ${id} has completed.`);
  if (status === 'cancelled') return new EngineError('conflict', 'already_cancelled', `Execution ${id} was cancelled.`);
  return new EngineError('conflict', 'already_failed', `Execution ${id} has failed.`);
}

function cancelling(execution: ExecutionRecord): CancelledRun {
  return { execution, cancelled: [execution.id], message: 'The execution is being cancelled.', alreadySo: false };
}
