import { Injectable } from '@nestjs/common';
import { CatalogService, type ResolvedEntry } from '../catalog/catalog.service.js';
import { isAnonymous } from '../common/principal.js';
import { MAX_WAIT_SECONDS } from '../common/wait.js';
import { Settings } from '../config/settings.js';
import { EngineError } from '../engine/engine-error.js';
import { type CompiledPlaybook } from '../engine/playbook/compiled.js';
import { type NewRun } from '../engine/ports.js';
import { startedBy } from '../engine/births.js';
import { runFault } from '../engine/run-fault.js';
import { checkKept } from '../engine/run/kept-history.js';
import { isTerminal } from '../engine/run/events.js';
import { CompiledPlaybooks } from '../storage/compiled-playbooks.js';
import { DatabaseClock } from '../storage/connection/database-clock.js';
import { EphemeralRuns, recordOf } from '../storage/ephemeral-runs.js';
import { type ExecutionRecord } from '../storage/execution-record.js';
import { IdMint } from '../storage/ids.js';
import { ExecutionRepository } from '../storage/repositories/execution.repository.js';
import { RunQueue } from '../storage/claiming/run-queue.js';
import { type RunWait, RunWaits } from '../storage/run-waits.js';
import { DuplicateStart } from '../storage/claiming/start-answers.js';
import { checkStart } from './entry-rules.js';
import { refuseUnlessMemoryIsEnough } from './ephemeral-rules.js';
import { NewRuns } from './new-runs.js';
import { RepeatedStarts } from './repeated-starts.js';
import { startTimesOf } from './start-options.js';
import { type StartedRun, type StartRun } from './start-run.js';

const EPHEMERAL_LIMIT_MS = MAX_WAIT_SECONDS * 1000;

/** The one door: both endpoints, batch, schedules and MCP start executions here. */
@Injectable()
export class ExecutionService {
  constructor(
    private readonly settings: Settings,
    private readonly catalog: CatalogService,
    private readonly repeated: RepeatedStarts,
    private readonly newRuns: NewRuns,
    private readonly playbooks: CompiledPlaybooks,
    private readonly queue: RunQueue,
    private readonly waits: RunWaits,
    private readonly ephemeral: EphemeralRuns,
    private readonly executions: ExecutionRepository,
    private readonly ids: IdMint,
    private readonly clock: DatabaseClock,
  ) {}

  /** Resolves when the start is durable, or at the end of a granted wait. Throws EngineErrors. */
  async start(command: StartRun): Promise<StartedRun> {
    const { tenant } = command.principal;
    // Before resolution and admission: what `latest` means by now does not matter to a repeated start.
    const known = await this.repeated.find(command);
    if (known) return known;
    if (command.durable) this.queue.refuseIfFull(tenant);
    const resolved = await this.catalog.resolve(tenant, command.lookup);
    const { entry } = resolved;
    const playbook = this.playbooks.compiledSync(tenant, entry.id) ?? (await this.playbooks.compiled(tenant, entry.id));
    checkStart(command, entry, playbook);
    checkKept(playbook, command.kept);
    const run = this.newRun(command, resolved, playbook);
    if (!command.durable) return this.startEphemeral(run, playbook, resolved.warnings);

    // Before the offer: the run may end in the same turn.
    const wait = command.waitMs === null ? null : this.waits.begin(tenant, run.id, command.waitMs);
    const { taken, durable } = this.queue.offer(run, [startedBy(run.requesters), ...run.kept]);
    let createdAt: number;
    try {
      createdAt = await durable;
    } catch (error) {
      wait?.cancel();
      // Another request with the same key came first, here or on another node: its execution is the answer.
      const winner = error instanceof DuplicateStart ? await this.repeated.find(command) : null;
      if (winner) return winner;
      throw error;
    }
    const status = taken ? 'running' : 'pending';
    const started: StartedRun = {
      execution: { ...recordOf(run, createdAt), status },
      result: null,
      ended: false,
      durable: true,
      replayed: false,
      warnings: resolved.warnings,
      waitApplied: null,
    };
    return wait ? this.waited(started, wait, command.waitMs!) : started;
  }

  private newRun(command: StartRun, resolved: ResolvedEntry, playbook: CompiledPlaybook): NewRun {
    const { parameters, merge, metadata, parent, forkedFrom, kept, options, idempotency } = command;
    return this.newRuns.make(resolved, playbook, {
      id: this.ids.next(),
      tenantId: command.principal.tenant,
      parameters,
      merge,
      metadata,
      parentExecutionId: parent.executionId,
      parentEventId: parent.eventId,
      parentStep: parent.step,
      parent: null,
      forkedFrom,
      kept,
      requesters: requestersOf(command),
      priority: options.priority ?? 0,
      ...startTimesOf(options, this.clock.now()),
      idempotency,
    });
  }

  private async waited(started: StartedRun, wait: RunWait, waitMs: number): Promise<StartedRun> {
    const end = await wait.ended;
    const { execution } = started;
    if (end) return { ...started, ...endedWith(execution, end), waitApplied: waitMs };
    // The start is durable: a look that fails must not make it an error.
    const current = await this.executions.withPayload(execution.tenantId, execution.id).catch(() => null);
    if (!current) return { ...started, waitApplied: waitMs };
    const ended = isTerminal(current.record.status);
    return { ...started, execution: current.record, result: ended ? current.payload.result : null, ended, waitApplied: waitMs };
  }

  /** Without rows the answer is held until the end, at most the wait limit; then the run is ended as failed (D32). */
  private async startEphemeral(run: NewRun, playbook: CompiledPlaybook, warnings: readonly string[]): Promise<StartedRun> {
    refuseUnlessMemoryIsEnough(run, playbook);
    const { limits } = this.settings;
    const full = new EngineError(
      'unavailable',
      'overloaded',
      'This node cannot run more executions without rows now; nothing was started.',
    );
    if (this.ephemeral.open >= limits.waitingRequests) throw full;
    const { ended } = this.ephemeral.begin(run, Date.now());
    const tooLong = setTimeout(() => this.abandon(run.id, `did not end within ${MAX_WAIT_SECONDS} s`), EPHEMERAL_LIMIT_MS);
    try {
      if (!this.queue.offerEphemeral(run)) {
        this.ephemeral.abandon(run.id, null, Date.now());
        throw full;
      }
      const { record, result } = await ended;
      return { execution: record, result, ended: true, durable: false, replayed: false, warnings, waitApplied: null };
    } finally {
      clearTimeout(tooLong);
    }
  }

  private abandon(id: string, why: string): void {
    const message = `The execution ${why}; it was run without rows and cannot go on.`;
    this.ephemeral.abandon(id, runFault('ephemeral_timeout', message), Date.now());
  }
}

/** Nobody is told apart where nobody is authenticated. */
function requestersOf({ principal, requesters = [] }: StartRun): readonly string[] {
  return isAnonymous(principal) ? requesters : [...new Set([principal.subject, ...requesters])];
}

function endedWith(
  record: ExecutionRecord,
  end: NonNullable<Awaited<RunWait['ended']>>,
): Pick<StartedRun, 'execution' | 'result' | 'ended'> {
  const execution = { ...record, ...end.row, lastSeq: end.lastSeq, updatedAt: end.at, endedAt: end.at };
  return { execution, result: end.result, ended: true };
}
