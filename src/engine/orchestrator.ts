import { SecretKeeper } from './auth/secret-keeper.js';
import { CallsTakenAlong } from './calls-taken-along.js';
import { CommitGate } from './commit-gate.js';
import { type OrchestratorOptions } from './orchestrator-options.js';
import { Outbox } from './outbox.js';
import { Performer } from './performer.js';
import { type CompiledPlaybook } from './playbook/compiled.js';
import { type HeldRun, type RowState, type Unit, type UnitOutcome, type UnitSource } from './ports.js';
import { type InboxRun, RunInbox } from './run-inbox.js';
import { RunTimers } from './run-timers.js';
import { cancelOf } from './run/cancel.js';
import { decide, resume } from './run/decide.js';
import { type Decision, type Perform, type Stimulus } from './run/decision.js';
import { earlierSecrets } from './run/earlier-secrets.js';
import { type RunEvent } from './run/events.js';
import { liveCalls } from './run/parts.js';
import { refusedEnd } from './run/refused-unit.js';
import { factsOf, type RunFacts } from './run/run-scope.js';
import { newRunState, type RunState } from './run/run-state.js';
import { endedRow, liveRow } from './run/shown-row.js';
import { foldHistory } from './run/snapshot.js';
import { mergeWorkload } from './run/workload.js';
import { type Json } from './values.js';

/** With these nothing begins any more in a run that has failed, or for now. */
const HALTS: ReadonlySet<RunEvent['type']> = new Set(['step_failed', 'execution_failing', 'pause_requested']);

/**
 * Drives one held run: decide, record, perform, again. All decisions of a run are made here, one at a time, by its holder
 * alone. Writes are pulled by the store (UnitSource): whatever is decided until a batch is built travels in one unit.
 */
export class Orchestrator implements UnitSource {
  readonly runId: string;
  private readonly held: HeldRun;
  private readonly state: RunState;
  private readonly facts: RunFacts;
  private readonly outbox: Outbox;
  /** Null until it is read, or has to be. */
  private inbox: RunInbox | null = null;
  /** Null until something waits for a commit. */
  private gate: CommitGate | null = null;
  /** Null until something is performed. */
  private performer: Performer | null = null;
  private readonly timers: RunTimers;
  private finish: Decision['finish'] = null;
  private release: { readonly wakeAt: number | null } | null = null;
  /** Null until something it has called is taken along. */
  private takenAlong: CallsTakenAlong | null = null;
  /** A part of its last decision is left. */
  private mustContinue = false;
  private continuing = false;
  private isOver = false;
  private releasing = false;
  /** Units of this run that were refused. From the first on nothing is decided any more: it only ends. */
  private refusals = 0;
  /** Percent that was shown last. */
  private progress: number;
  /** Executions it called whose end has just been recorded. */
  private readonly endedCalls: { readonly step: number; readonly childId: string }[] = [];

  constructor(
    held: HeldRun,
    private readonly playbook: CompiledPlaybook,
    private readonly options: OrchestratorOptions,
  ) {
    const { run, history } = held;
    this.runId = run.id;
    const workload = run.workload ?? mergeWorkload(playbook.playbook.workload, run.parameters, run.merge);
    this.state = history ? foldHistory(playbook, workload, history) : newRunState(playbook, workload);
    const requesters = history ? this.state.requesters : (run.requesters ?? []);
    // Its history is folded, and not kept: a long one would be held twice.
    this.held = { ...held, history: null, run: run.requesters || requesters.length === 0 ? run : { ...run, requesters } };
    this.facts = factsOf(run, playbook, options.facts.env, requesters);
    this.outbox = new Outbox(held, playbook, this.state);
    this.progress = history?.row.progress ?? 0;
    this.timers = new RunTimers({
      clock: options.clock,
      state: this.state,
      facts: this.facts,
      parkAfterMs: options.parkAfterMs,
      feed: (stimulus) => this.feed(stimulus),
      stayed: () => this.rest(),
    });
    if (!history) return;
    this.inbox = this.newInbox(history.inboxConsumed, history.inboxSeq > history.inboxConsumed);
    // What an earlier holder opened is known from here on; a run that was just born may never perform anything.
    this.performer = this.newPerformer(earlierSecrets(this.state));
  }

  private reading(): RunInbox {
    return (this.inbox ??= this.newInbox(0, false));
  }

  private performing(): Performer {
    return (this.performer ??= this.newPerformer([]));
  }

  private takingAlong(): CallsTakenAlong {
    return (this.takenAlong ??= new CallsTakenAlong({
      cancel: (childIds) => this.performing().cancelCalls(childIds),
      isBeingBorn: (childId) => this.outbox.isBearing(childId),
      told: () => this.guard(() => this.announceIfNeeded()),
    }));
  }

  private newInbox(seenSeq: number, picksUpLater: boolean): RunInbox {
    const { playbook, state, facts, options } = this;
    const inboxOf: InboxRun = {
      store: options.store,
      tenantId: this.held.run.tenantId,
      runId: this.runId,
      clock: options.clock,
      isOver: () => this.isOver,
      isGivenBack: () => this.releasing,
      pickUp: (heard) => this.carryOut(resume(playbook, state, facts, options.world, heard)),
      hear: (stimulus) => this.hear(stimulus),
      heard: (wasAwaited) => this.heard(wasAwaited),
      committed: () => this.whenCommitted(),
      expired: ({ step, wave }) => this.feed({ kind: 'approval_expired', step, wave }),
      guard: (work) => this.guard(work),
      unheard: (error) => options.unheard(error),
    };
    return new RunInbox(inboxOf, seenSeq, picksUpLater);
  }

  private newPerformer(earlier: readonly Json[]): Performer {
    const { playbook, options, facts } = this;
    return new Performer({
      playbook,
      held: this.held,
      clock: options.clock,
      state: this.state,
      facts,
      world: options.world,
      secrets: new SecretKeeper(this.held.run.tenantId, options.secrets, earlier, facts.mayHoldSecrets, this.held.run.id),
      children: options.children,
      admit: options.admit,
      feed: (stimulus) => this.feed(stimulus),
      committed: () => this.whenCommitted(),
      isFarAhead: () => this.outbox.isFarAhead,
      mayAct: () => this.mayAct(),
      hearsCancel: () => this.awaitsCancel,
      isOver: () => this.isOver,
      rests: () => this.rest(),
      failed: (fault) => this.failed(fault),
    });
  }

  /** A commit told of a cancel: until that is heard no effect begins (D28). */
  private get awaitsCancel(): boolean {
    return this.inbox?.awaitsCancel === true;
  }

  /** Begins: a run born here decides its start, a claimed one picks up what was under way and reads its inbox. */
  start(): void {
    if (!this.outbox.isStored) return this.feed({ kind: 'start', kept: this.held.run.kept });
    this.guard(() => this.reading().pickUp());
  }

  /** Others have told the run something: read it. Safe to call at any time, also twice. */
  readInbox(): void {
    this.reading().read();
  }

  /** Gives the run back without ending it: aborts what runs, records nothing of it, releases the lease so that any node goes on. */
  giveBack(): void {
    if (this.isOver || this.releasing) return;
    this.releasing = true;
    this.stopPerforming();
    this.release = { wakeAt: this.options.clock.now() };
    this.options.store.announce(this);
  }

  /** Nothing the world can see goes on past the lease (D13); a run that only computes may wait for its next commit to tell. */
  checkLease(): void {
    if (!this.isOver && this.performer?.hasEffects && !this.options.holdsLease()) this.close('lost');
  }

  /** The lease is lost or the node must not go on: stops at once and writes nothing. */
  drop(): void {
    if (!this.isOver) this.close('lost');
  }

  /** A result that is no text is the value of a step as a rule, which is recorded already. */
  get characters(): number {
    const result = this.finish?.result;
    return this.outbox.characters + (typeof result === 'string' ? result.length : 0);
  }

  takeUnit(): Unit | null {
    const { outbox } = this;
    if (this.isOver || outbox.isInFlight || this.takenAlong?.isUnderWay) return null;
    // A run that is over ends, also where it was to be given back.
    const ends = this.finish;
    if (outbox.unsent.length === 0 && !ends && !this.release && outbox.isStored) return null;
    const unit = outbox.take(ends, this.row(ends), ends ? null : this.release, this.inbox?.seen ?? 0);
    // From here on the row keeps the time: a timer that fired now would decide what the release leaves behind.
    if (unit.release) this.timers.pauseSteps();
    return unit;
  }

  private row(ends: Decision['finish']): RowState {
    const { playbook, state, facts, progress, mustContinue: isBusy, asleepUntil } = this;
    // An end that meets unread inbox is not written: what was shown while it lived is what it goes on from.
    if (ends) return endedRow(state, ends.event);
    const row = liveRow(playbook, state, facts, { now: this.options.clock.now(), progress, isBusy, asleepUntil });
    this.progress = row.progress;
    return row;
  }

  unitSettled(outcome: UnitOutcome): void {
    this.guard(() => {
      const flight = this.outbox.settled();
      if (!flight || this.isOver) return;
      this.takenAlong?.settled();
      switch (outcome.kind) {
        case 'committed':
          return this.committed(flight.unit, outcome.cancelUnread === true);
        case 'lost':
        case 'duplicate':
          return this.close('lost');
        case 'inbox_moved':
          // Nothing was written. The run is still ours: take the events back, hear what was said, decide again (D6).
          this.outbox.takeBack(flight);
          if (this.refusals === 0) this.finish = null;
          if (!this.releasing) {
            this.release = null;
            this.timers.resumeSteps();
          }
          return this.readInbox();
        case 'refused':
          return this.refused(flight.events, outcome.reason);
      }
    });
  }

  private committed(unit: Unit, cancelUnread: boolean): void {
    this.outbox.committed(unit);
    if (unit.end) return this.close('ended');
    if (unit.release) return this.close('released');
    if (cancelUnread && !this.awaitsCancel) this.reading().awaitCancel();
    this.beginCommitted();
    this.continueSoon();
    this.announceIfNeeded();
  }

  /** What waits for commits and may go on by now. */
  private beginCommitted(): void {
    if (!this.awaitsCancel) this.gate?.open(this.outbox.committedSeq, (perform) => this.perform(perform));
  }

  /**
   * The store will never take these events: their results become failures without user data, and the run ends; if even that
   * is refused it ends as poison, and if that is refused too its lease is left to expire (D7). A cancel that was heard stays
   * one: nothing but CANCELLED may end such a run.
   */
  private refused(events: readonly RunEvent[], reason: string): void {
    const { outbox, state } = this;
    this.stopPerforming();
    const calls = [...state.running.values()].flatMap(({ parts }) => (parts ? liveCalls(parts) : []));
    if (calls.length > 0 && this.refusals === 0 && outbox.isStored) this.takingAlong().take(calls);
    if (!outbox.isStored) return this.close('refused');
    this.refusals += 1;
    if (this.refusals > 2) {
      this.options.fault(new Error(`the end of the run was refused: ${reason}`));
      return this.close('lost');
    }
    const instead = refusedEnd(events, outbox.unsent, state.cancel, reason, this.refusals === 1);
    outbox.replace(instead.events);
    state.failure = instead.error;
    this.finish = { event: instead.end, result: null };
    this.options.store.announce(this);
  }

  private hear(stimulus: Stimulus): void {
    if (this.refusals === 0) return this.carryOut(this.decide(stimulus));
    if (stimulus.kind !== 'cancel') return;
    this.outbox.add([{ type: 'cancel_requested', ...cancelOf(stimulus) }], 0);
    this.finish = { event: { type: 'execution_cancelled', reason: stimulus.reason }, result: null };
  }

  private heard(wasAwaited: boolean): void {
    // A release or an end that met unread inbox is decided again even where the messages changed nothing.
    if (this.releasing || this.refusals > 0) this.options.store.announce(this);
    else this.carryOut(this.decide({ kind: 'continue' }));
    if (wasAwaited) this.beginCommitted();
  }

  /** Resolves once everything decided so far is committed, and never where the run is over here before. */
  private whenCommitted(): Promise<void> {
    if (this.isOver) return new Promise(() => undefined);
    if (!this.outbox.isAhead && !this.awaitsCancel) return Promise.resolve();
    return (this.gate ??= new CommitGate()).passed(this.state.seq);
  }

  /** Asked right before an effect of a program: without a good lease the run is no longer ours (D13). */
  private mayAct(): boolean {
    if (this.isOver || this.releasing || this.release) return false;
    if (this.options.holdsLease()) return true;
    this.close('lost');
    return false;
  }

  /** All that is under way in a program sleeps: perhaps the run has nothing else to do. */
  private rest(): void {
    if (this.isOver) return;
    this.guard(() => {
      this.parkIfIdle();
      this.announceIfNeeded();
    });
  }

  private asleepUntil = (step: number): number | null => this.performer?.asleepUntil(step) ?? null;

  private feed(stimulus: Stimulus): void {
    if (this.isOver || this.releasing || this.refusals > 0) return;
    this.guard(() => this.carryOut(this.decide(stimulus)));
  }

  private decide(stimulus: Stimulus): Decision {
    if (stimulus.kind === 'continue') this.mustContinue = false;
    return decide(this.playbook, this.state, this.facts, this.options.world, stimulus);
  }

  private carryOut(decision: Decision): void {
    if (!this.releasing) this.release = null;
    const { outbox, state } = this;
    outbox.add(decision.events, decision.characters);
    for (const event of decision.events) {
      if (event.type === 'child_completed')
        this.endedCalls.push({ step: this.playbook.byName.get(event.step)!.index, childId: event.childId });
    }
    for (const child of decision.children) outbox.bear(child, () => this.options.tokenForCalled());
    if (state.cancel) outbox.dropUnborn(state.cancel.force);
    this.timers.park(decision.timers);
    for (const { step, wave } of decision.overdue) this.reading().askOverdue({ step, wave, name: this.playbook.steps[step]!.name });
    if (this.gate) for (const perform of this.gate.dropStale(state)) this.performing().refuse(perform);
    for (const perform of decision.performs) {
      if (this.mustWait(perform)) (this.gate ??= new CommitGate()).hold(state.seq, perform);
      else this.perform(perform);
    }
    // After the performs: what was made again only to be ended is ended.
    for (const step of decision.aborts) this.performer?.abort(step);
    if (this.performer && this.tellsPrograms(decision)) this.performer.halt();
    if (decision.orphans.length > 0) this.takingAlong().take(decision.orphans);
    if (decision.finish) this.finish = decision.finish;
    // It had ended, and a cancel came before that was stored: what it did is undone first.
    else if (state.running.size > 0) this.finish = null;
    if (state.pause === 'paused') this.timers.clearSteps();
    if (decision.more) {
      this.mustContinue = true;
      this.continueSoon();
    }
    for (const { step, childId } of this.endedCalls.splice(0)) this.performer?.childEnded(step, childId);
    this.parkIfIdle();
    this.timers.setOwn(this.isOver || this.finish !== null || this.release !== null);
    this.announceIfNeeded();
  }

  /** An effect begins only after everything it depends on is committed (D20) and heard (D28); pure steps run ahead, within bounds (D17). */
  private mustWait(perform: Perform): boolean {
    if (this.outbox.isAhead && (perform.effect || this.outbox.isFarAhead)) return true;
    return perform.effect && this.awaitsCancel;
  }

  /** Whether something may begin no more, or may again. */
  private tellsPrograms({ events }: Decision): boolean {
    const isHalted = this.state.failure !== null || this.state.pause !== 'none';
    return events.some(({ type }) => (isHalted && HALTS.has(type)) || type === 'execution_resumed');
  }

  private parkIfIdle(): void {
    if (this.releasing || this.finish || this.refusals > 0 || this.mustContinue) return;
    const release = this.timers.releaseOf(this.asleepUntil, this.performer);
    if (release) this.release = release;
  }

  /** Goes on with a bounded decision in a turn of its own, so that no run holds the process; far ahead, after the next commit. */
  private continueSoon(): void {
    if (!this.mustContinue || this.continuing || this.outbox.isFarAhead) return;
    this.continuing = true;
    this.options.clock.after(0, () => {
      this.continuing = false;
      if (this.mustContinue) this.feed({ kind: 'continue' });
    });
  }

  private announceIfNeeded(): void {
    if (!this.isOver && (this.outbox.unsent.length > 0 || this.finish || this.release) && !this.outbox.isInFlight)
      this.options.store.announce(this);
  }

  private perform(perform: Perform): void {
    if (this.isOver || this.releasing) return;
    const firing = this.state.running.get(perform.step);
    if (firing?.isLost && firing.wave === perform.wave)
      return void this.performing().giveUp(perform, firing.parts ? liveCalls(firing.parts) : []);
    if (perform.effect && !this.options.holdsLease()) return this.close('lost');
    this.performing().perform(perform);
  }

  private stopPerforming(): void {
    this.timers.stop();
    this.gate?.dropAttempts();
    this.performer?.abortAll();
  }

  private close(how: 'ended' | 'released' | 'lost' | 'refused'): void {
    if (this.isOver) return;
    this.isOver = true;
    this.stopPerforming();
    this.options.over(how);
  }

  /** A fault of the service in one run must not take the process or its neighbours down. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.failed(error);
    }
  }

  private failed(fault: unknown): void {
    this.options.fault(fault);
    this.close('lost');
  }
}
