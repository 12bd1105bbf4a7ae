import { Inject, Injectable, Optional } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { EngineError } from '../engine/engine-error.js';
import { type ErrorCode } from '../engine/error-codes.js';
import { Orchestrator } from '../engine/orchestrator.js';
import { type CompiledPlaybook } from '../engine/playbook/compiled.js';
import { type HeldRun, type NewRun, type RunId, type RunStore } from '../engine/ports.js';
import { type DecisionWorld } from '../engine/run/decision.js';
import { CHILD_RUNS, type ChildRuns, NO_CHILD_RUNS } from '../engine/child-runs-port.js';
import { NO_SECRETS, SECRETS, type Secrets } from '../engine/secrets-port.js';
import { runFault } from '../engine/run-fault.js';
import { ByteBudget } from '../storage/byte-budget.js';
import { LargeWork } from '../storage/batch/large-work.js';
import { POISON_ATTEMPTS, SUSPECT_ATTEMPTS } from '../storage/claiming/claim.js';
import { CommitSignals } from '../storage/commit-signals.js';
import { CompiledPlaybooks } from '../storage/compiled-playbooks.js';
import { EphemeralRuns } from '../storage/ephemeral-runs.js';
import { type RunConsumer } from '../storage/claiming/handover.js';
import { HeldRuns } from '../storage/claiming/held-runs.js';
import { IdMint } from '../storage/ids.js';
import { LiveMessages } from '../storage/live-messages.js';
import { LOG, type Log } from '../storage/log.js';
import { PostgresRunStore } from '../storage/run-store.js';
import { RunQueue } from '../storage/claiming/run-queue.js';
import { PROCESS_TIMING, TIMING, type Timing } from '../storage/timing.js';
import { FailingRun } from './failing-run.js';

/** How long running steps may go on after the node was told to stop, before they are given back. */
const DRAIN_MS = 10_000;
const GIVE_BACK_MS = 5_000;
/** A claimed run whose entry could not be read is due again so long afterwards. */
const DATABASE_AWAY_MS = 5_000;
/** Shorter waits stay in memory: claiming costs more than holding. */
const PARK_AFTER_MS = 5_000;
/** How often runs are asked whether their lease still holds while they do something the world can see. */
const LEASE_CHECK_MS = 1_000;

const SERVICE_FAULT = runFault('internal_error', 'A fault of the service ended the execution.', { retryable: true });

/** Takes runs from the queue and drives each with an orchestrator of its own; gives them back at shutdown. */
@Injectable()
export class Worker implements RunConsumer {
  private readonly running = new Map<RunId, Orchestrator>();
  /** Runs whose holders keep crashing; perhaps it is they who crash them (D16). */
  private readonly suspects = new Set<RunId>();
  /** Claimed runs whose playbooks are still being read. */
  private reading = 0;
  /** Places kept for runs that those driven here are about to call: lease tokens, by caller. */
  private readonly kept = new Map<RunId, Set<string>>();
  private keptPlaces = 0;
  private readonly idle = new Set<() => void>();
  private stopConsuming: (() => Promise<void>) | null = null;
  private stopLeaseChecks: (() => void) | null = null;
  private draining = false;
  private readonly world: DecisionWorld;

  constructor(
    private readonly settings: Settings,
    @Inject(LOG) private readonly log: Log,
    private readonly queue: RunQueue,
    private readonly store: PostgresRunStore,
    private readonly ephemeral: EphemeralRuns,
    private readonly held: HeldRuns,
    private readonly playbooks: CompiledPlaybooks,
    private readonly budget: ByteBudget,
    signals: CommitSignals,
    ids: IdMint,
    @Optional() @Inject(TIMING) private readonly timing: Timing = PROCESS_TIMING,
    @Optional() @Inject(SECRETS) private readonly secrets: Secrets = NO_SECRETS,
    @Optional() @Inject(CHILD_RUNS) private readonly children: ChildRuns = NO_CHILD_RUNS,
    @Optional() private readonly largeWork: LargeWork = new LargeWork(timing),
    @Optional() private readonly live: LiveMessages = new LiveMessages(),
  ) {
    this.world = {
      now: () => timing.now(),
      monotonic: () => timing.monotonic(),
      random: () => timing.random(),
      nextId: () => ids.next(),
      nonce: () => timing.token().replaceAll('-', ''),
      assertMode: settings.assertMode,
      saveErrors: settings.saveErrors === 'warn' ? 'continue' : 'fail',
    };
    held.onDropped((runId) => this.running.get(runId)?.drop());
    signals.onInbox((runId) => this.running.get(runId)?.readInbox());
    signals.onSettled((unit, outcome) => {
      // What gets further is no suspect any more, here as in its row: the next one need not wait until it ends.
      if (outcome.kind === 'committed' && unit.recordsProgress) this.clear(unit.runId);
    });
    ephemeral.onAbandoned((runId) => this.running.get(runId)?.drop());
    ephemeral.onInbox((runId) => this.running.get(runId)?.readInbox());
    ephemeral.onBorn((run) => this.takeEphemeral(run));
  }

  /** Begins to take runs, unless this node only answers requests. */
  start(): void {
    if (this.settings.role === 'api') return;
    this.stopConsuming = this.queue.consume(this);
    this.stopLeaseChecks = this.timing.every(LEASE_CHECK_MS, () => {
      for (const orchestrator of this.running.values()) orchestrator.checkLease();
    });
  }

  /** Takes no more runs, lets those that run come to an end, and gives the rest back so that any node goes on at once (R12). */
  async drain(): Promise<void> {
    await this.stopConsuming?.();
    this.stopConsuming = null;
    await this.whenIdle(DRAIN_MS);
    this.draining = true;
    for (const orchestrator of this.running.values()) orchestrator.giveBack();
    await this.whenIdle(GIVE_BACK_MS);
    this.stopLeaseChecks?.();
  }

  capacity(): number {
    return this.settings.maxInFlightRuns - this.running.size - this.reading - this.keptPlaces;
  }

  /**
   * The lease token for a run that one driven here is about to call: this node takes it up right after the commit. Null where it has no room, or
   * goes: then the queue takes it. The place is kept until then, or until the caller is over here.
   */
  tokenForCalled(callerId: RunId): string | null {
    if (this.stopConsuming === null || this.draining || this.capacity() <= 0) return null;
    const token = this.timing.token();
    const tokens = this.kept.get(callerId) ?? new Set();
    this.kept.set(callerId, tokens.add(token));
    this.keptPlaces += 1;
    return token;
  }

  private freePlaces(callerId: RunId, token?: string): void {
    const tokens = this.kept.get(callerId);
    if (tokens === undefined || (token !== undefined && !tokens.delete(token))) return;
    this.keptPlaces -= token === undefined ? tokens.size : 1;
    if (token === undefined || tokens.size === 0) this.kept.delete(callerId);
  }

  take(held: HeldRun): void {
    const { tenantId, catalogId, id, parent } = held.run;
    if (parent !== null) this.freePlaces(parent.runId, held.token);
    const attempts = held.history?.attempts ?? 0;
    if (attempts >= POISON_ATTEMPTS) return this.fail(held, `The execution was lost ${attempts} times by the nodes that ran it.`, null);
    if (attempts >= SUSPECT_ATTEMPTS) this.suspects.add(id);
    const ready = this.playbooks.compiledSync(tenantId, catalogId);
    if (ready) return this.drive(held, ready, this.store);
    this.reading += 1;
    void this.playbooks
      .compiled(tenantId, catalogId)
      .then(
        (playbook) => this.drive(held, playbook, this.store),
        (error: unknown) => this.refuse(held, error),
      )
      .finally(() => {
        this.reading -= 1;
        this.tellIfIdle();
      });
  }

  /** How many it drives now. */
  get runs(): number {
    return this.running.size;
  }

  holdsSuspect(): boolean {
    return this.suspects.size > 0;
  }

  /** What gets further, or is over here, is no suspect any more. */
  private clear(runId: RunId): void {
    if (this.suspects.delete(runId) && this.suspects.size === 0) this.queue.takeNextSuspect();
  }

  takeEphemeral(run: NewRun): void {
    const { id, tenantId, catalogId } = run;
    const drive = (playbook: CompiledPlaybook): void =>
      this.drive({ run, token: 'ephemeral', claimNo: 1, history: null }, playbook, this.ephemeral);
    const ready = this.playbooks.compiledSync(tenantId, catalogId);
    // The door has compiled it in this very turn; a called one was resolved a moment ago.
    if (ready) return drive(ready);
    this.playbooks.compiled(tenantId, catalogId).then(drive, (error: unknown) => {
      this.log.error({ err: error, executionId: id }, 'the playbook of an execution without rows cannot be used');
      this.ephemeral.abandon(id, SERVICE_FAULT, this.timing.now());
    });
  }

  private drive(held: HeldRun, playbook: CompiledPlaybook, store: RunStore): void {
    const { id, parent } = held.run;
    // Dropped with all others while its entry was still being read.
    if (store === this.store && !this.held.holds(id, held.token)) {
      this.clear(id);
      return;
    }
    try {
      const orchestrator = this.orchestrator(held, playbook, store);
      this.running.set(id, orchestrator);
      if (parent !== null) this.live.relay(id, parent.runId);
      orchestrator.start();
      // Its entry was still being read when everything else was given back.
      if (this.draining) orchestrator.giveBack();
    } catch (error) {
      // A history that cannot be folded: it fails alone, its lease expires, and claims that end so are counted (D16).
      this.log.error({ err: error, executionId: id }, 'an execution cannot be picked up');
      this.over(id, held.token, 'lost');
    }
  }

  private orchestrator(held: HeldRun, playbook: CompiledPlaybook, store: RunStore): Orchestrator {
    const { token } = held;
    const { id } = held.run;
    return new Orchestrator(held, playbook, {
      store,
      clock: this.timing,
      world: this.world,
      facts: { env: this.settings.templateEnv },
      parkAfterMs: store === this.ephemeral ? null : PARK_AFTER_MS,
      secrets: this.secrets,
      children: this.children,
      tokenForCalled: () => (store === this.ephemeral ? this.timing.token() : this.tokenForCalled(id)),
      holdsLease: () => store === this.ephemeral || this.held.isLive(id, token),
      admit: (bytes, signal) => (bytes === 0 ? this.largeWork.turn() : this.budget.admit(id, bytes, signal)),
      over: (how) => this.over(id, token, how),
      unheard: (error) => this.log.warn({ err: error, executionId: id }, 'the inbox of an execution could not be read, and is read again'),
      fault: (error) => this.log.error({ err: error, executionId: id }, 'an execution met a fault of the service'),
    });
  }

  private over(id: RunId, token: string, how: 'ended' | 'released' | 'lost' | 'refused'): void {
    const wasFull = this.capacity() <= 0;
    this.running.delete(id);
    this.budget.release(id);
    this.clear(id);
    this.freePlaces(id);
    if (how === 'lost') {
      this.held.forget(id, token);
      // One without rows has nobody to go on with it; where it was ended from outside this says nothing new.
      this.ephemeral.abandon(id, SERVICE_FAULT, this.timing.now());
    }
    if (wasFull && this.capacity() > 0) this.queue.wake();
    this.tellIfIdle();
  }

  private tellIfIdle(): void {
    if (!this.isIdle()) return;
    for (const tell of this.idle) tell();
    this.idle.clear();
  }

  /** Runs whose entries are still being read are held as well. */
  private isIdle(): boolean {
    return this.running.size === 0 && this.reading === 0;
  }

  /** A claimed run whose entry cannot be used ends as failed; where it is only the database that is away, it is given back. */
  private refuse(held: HeldRun, error: unknown): void {
    if (error instanceof EngineError && error.kind !== 'unavailable') return this.fail(held, error.message, error.code);
    this.log.warn({ err: error, executionId: held.run.id }, 'the playbook of a claimed execution cannot be read now; it is given back');
    this.clear(held.run.id);
    this.queue.giveBack(held, DATABASE_AWAY_MS);
  }

  private fail(held: HeldRun, message: string, cause: ErrorCode | null): void {
    const { id } = held.run;
    this.clear(id);
    this.log.error({ executionId: id, reason: message }, 'an execution is ended as poison');
    const letGo = (): void => this.held.forget(id, held.token);
    const error = runFault('poison', message, { cause });
    // What it has called would otherwise run on with nobody to tell; where that cannot be said now, the next holder does.
    void this.children
      .cancelAll(held.run.tenantId, id, message)
      .then(() => this.store.announce(new FailingRun(held, error, this.store, letGo)), letGo);
  }

  private async whenIdle(withinMs: number): Promise<void> {
    if (this.isIdle()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.idle.add(resolve);
    const stopTimer = this.timing.after(withinMs, resolve);
    await promise;
    stopTimer();
    this.idle.delete(resolve);
  }
}
