import { Alarm } from './alarm.js';
import { type ChildRuns } from './child-runs-port.js';
import { SecretKeeper } from './auth/secret-keeper.js';
import { sealedIn } from './auth/secret-markers.js';
import { OverdueApprovals } from './overdue-approvals.js';
import { ParkedSteps } from './parked-steps.js';
import { type CompiledPlaybook } from './playbook/compiled.js';
import {
  type BornChild,
  type Clock,
  type HeldRun,
  type InboxMessage,
  type RowState,
  type RunStore,
  type Unit,
  type UnitOutcome,
  type UnitSource,
} from './ports.js';
import { decide, resume } from './run/decide.js';
import { type Secrets } from './secrets-port.js';
import { stimulusOf } from './run/messages.js';
import { type Decision, type DecisionWorld, type Perform, type Stimulus } from './run/decision.js';
import { isTerminal, type RunEvent, statusOfEnd, type TerminalEvent } from './run/events.js';
import { progressOf } from './run/progress.js';
import { refusedEnd } from './run/refused-unit.js';
import { liveCalls } from './run/parts.js';
import { factsOf, type RunFacts } from './run/run-scope.js';
import { newRunState, type RunState } from './run/run-state.js';
import { onlyWaits, ownDueAt, undoWaitOf, waitOf, waitsForStart, wakeAt } from './run/schedule.js';
import { encodeState, foldHistory, SNAPSHOT_EVERY } from './run/snapshot.js';
import { unitApprovals } from './run/unit-approvals.js';
import { mergeWorkload } from './run/workload.js';
import { Performer } from './performer.js';
import { type Json } from './values.js';

/** Events a run may decide ahead of its last commit (D17). */
const RUN_AHEAD_EVENTS = 256;
const RUN_AHEAD_CHARACTERS = 1024 * 1024;

/** What D16 counts as progress: something ended, or a wait began; not a mere start. */
const PROGRESS: ReadonlySet<RunEvent['type']> = new Set([
  'step_completed',
  'step_failed',
  'step_timed_out',
  'step_skipped',
  'step_waiting',
  'action_retry',
  'action_completed',
  'action_acted',
  'loop_iteration',
  'execution_paused',
  'compensation_completed',
  'compensation_failed',
  'compensation_skipped',
]);
/** With these nothing begins any more in a run that has failed, or for now. */
const HALTS: ReadonlySet<RunEvent['type']> = new Set(['step_failed', 'execution_failing', 'pause_requested']);
/** The inbox of a claimed run is asked for again so long after the store failed to answer. */
const READ_AGAIN_MS = 500;

export interface OrchestratorOptions {
  readonly store: RunStore;
  readonly clock: Clock;
  readonly world: DecisionWorld;
  readonly facts: Pick<RunFacts, 'env'>;
  /** A run that only waits, for longer than this, gives its lease back and leaves memory; null: it never does. */
  readonly parkAfterMs: number | null;
  /** What opens the credentials of its steps; without it none is known. */
  readonly secrets?: Secrets;
  readonly children: ChildRuns;
  /** The lease of an execution that this one calls, where this node takes it up; null: the queue does. */
  tokenForCalled(): string | null;
  /** Lease still good by the monotonic clock (D13); checked right before each effect begins. */
  holdsLease(): boolean;
  /** Resolves once the node has room for so many more bytes of the run's values, which it holds until `over`; rejects with the signal's reason. */
  readonly admit: (bytes: number, signal: AbortSignal) => Promise<void>;
  /** Called once: the run is over here. `ended` after its terminal unit is committed, `released` and `lost` otherwise. */
  over(how: 'ended' | 'released' | 'lost' | 'refused'): void;
  /** The inbox could not be read for now; it is read again. */
  unheard(error: unknown): void;
  /** An unexpected fault of the service while driving this run. */
  fault(error: unknown): void;
}

/**
 * Drives one held run: decide, record, perform, again. All decisions of a run are made here, one at a time, by its holder
 * alone. Writes are pulled by the store (UnitSource): whatever is decided until a batch is built travels in one unit.
 */
export class Orchestrator implements UnitSource {
  readonly runId: string;
  private readonly held: HeldRun;
  private readonly state: RunState;
  private readonly facts: RunFacts;
  /** Null until something is performed. */
  private performer: Performer | null = null;
  /** Decided and not yet handed to the store. */
  private pending: RunEvent[] = [];
  /** Handed to the store, outcome unknown. */
  private inFlight: { readonly events: readonly RunEvent[]; readonly characters: number; readonly unit: Unit } | null = null;
  /** Size of what is pending. */
  private pendingCharacters = 0;
  private committedSeq: number;
  private created: boolean;
  /** Executions to be born with the next unit. */
  private unborn: BornChild[] = [];
  private finish: Decision['finish'] = null;
  private release: { readonly wakeAt: number | null } | null = null;
  /** Cancels of executions that were called, under way: the run does not end before they are stored. */
  private takingAlong = 0;
  private mustContinue = false;
  private isOver = false;
  private releasing = false;
  /** Units of this run that were refused. From the first on nothing is decided any more: it only ends. */
  private refusals = 0;
  private continuing = false;
  /** Ends the wait for what this run called; null: none. */
  private lingering: (() => void) | null = null;
  private seenInbox: number;
  /** There were messages when it was claimed that no holder has read: until they are read it decides nothing. */
  private picksUpLater: boolean;
  private toldMeanwhile = false;
  /** The inbox was read so often. */
  private reads = 0;
  /** A commit told of a cancel: until that read of the inbox is answered no effect begins (D28); 0: none. */
  private hearsFirst = 0;
  private progress: number;
  /** seq of the last snapshot that was stored or tried. */
  private snapshotSeq: number;
  private readonly barriers: { readonly seq: number; readonly perform: Perform }[] = [];
  /** Programs that go on after a commit. */
  private readonly awaiting: { readonly seq: number; readonly goOn: () => void }[] = [];
  /** Executions it called whose end has just been recorded. */
  private readonly endedCalls: { readonly step: number; readonly childId: string }[] = [];
  private readonly parked: ParkedSteps;
  private readonly overdue: OverdueApprovals;
  /** Start and time-out of the run itself, while it is in memory. */
  private readonly alarm: Alarm;

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
    this.committedSeq = this.state.seq;
    this.created = history !== null;
    this.seenInbox = history?.inboxConsumed ?? 0;
    this.picksUpLater = (history?.inboxSeq ?? 0) > this.seenInbox;
    this.progress = history?.row.progress ?? 0;
    this.alarm = new Alarm(options.clock, () => this.feed({ kind: 'continue' }));
    this.snapshotSeq = history?.snapshot?.seq ?? 0;
    this.parked = new ParkedSteps(options.clock, ({ step, wave }) => this.feed({ kind: 'due', step, wave }));
    this.overdue = new OverdueApprovals({
      store: options.store,
      tenantId: run.tenantId,
      runId: run.id,
      clock: options.clock,
      committed: () => this.whenCommitted(),
      isOver: () => this.isOver || this.releasing,
      expired: ({ step, wave }) => this.feed({ kind: 'approval_expired', step, wave }),
      decided: () => this.readInbox(),
      unheard: (error) => options.unheard(error),
    });
    // What an earlier holder opened is known from here on; a run that was just born may never perform anything.
    if (history) this.performer = this.newPerformer(earlierSecrets(this.state));
  }

  private performing(): Performer {
    return (this.performer ??= this.newPerformer([]));
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
      secrets: new SecretKeeper(this.held.run.tenantId, options.secrets, earlier, facts.mayHoldSecrets),
      children: options.children,
      admit: options.admit,
      feed: (stimulus) => this.feed(stimulus),
      committed: () => this.whenCommitted(),
      isFarAhead: () => this.isFarAhead(),
      mayAct: () => this.mayAct(),
      hearsCancel: () => this.hearsFirst > 0,
      isOver: () => this.isOver,
      rests: () => this.rest(),
    });
  }

  /** Begins: a run born here decides its start, a claimed one picks up what was under way and reads its inbox. */
  start(): void {
    if (!this.created) return this.feed({ kind: 'start', kept: this.held.run.kept });
    this.guard(() => (this.picksUpLater ? this.hearAndPickUp() : this.pickUp([])));
  }

  /** A claimed run with unread messages reads them before it begins anything: they may say that it shall not. */
  private hearAndPickUp(): void {
    this.options.store.readInbox(this.held.run.tenantId, this.runId, this.seenInbox).then(
      (messages) => this.guard(() => this.pickUp(messages)),
      (error: unknown) => {
        this.options.unheard(error);
        this.options.clock.after(READ_AGAIN_MS, () => {
          if (!this.isOver && !this.releasing) this.hearAndPickUp();
        });
      },
    );
  }

  private pickUp(messages: readonly InboxMessage[]): void {
    if (this.isOver || this.releasing) return;
    this.picksUpLater = false;
    const heard = messages.flatMap((message) => stimulusOf(message) ?? []);
    this.seenInbox = messages.at(-1)?.inboxSeq ?? this.seenInbox;
    this.carryOut(resume(this.playbook, this.state, this.facts, this.options.world, heard));
    if (this.toldMeanwhile) this.readInbox();
  }

  /** Others have told the run something: read it. Safe to call at any time, also twice. */
  readInbox(): void {
    if (this.isOver) return;
    if (this.picksUpLater && !this.releasing) return void (this.toldMeanwhile = true);
    const read = ++this.reads;
    this.options.store.readInbox(this.held.run.tenantId, this.runId, this.seenInbox).then(
      (messages) => this.guard(() => this.receive(messages, read)),
      (error: unknown) => {
        this.options.unheard(error);
        if (read !== this.hearsFirst) return;
        this.options.clock.after(READ_AGAIN_MS, () => {
          if (read === this.hearsFirst) this.hearFirst();
        });
      },
    );
  }

  /** Hints and polls may have been lost together with the database; a cancel that a commit tells of is heard before what that commit allows. */
  private hearFirst(): void {
    this.hearsFirst = this.reads + 1;
    this.readInbox();
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

  get characters(): number {
    return this.pendingCharacters;
  }

  takeUnit(): Unit | null {
    if (this.isOver || this.inFlight) return null;
    // A run that is over ends, also where it was to be given back.
    const ends = this.takingAlong > 0 ? null : this.finish;
    const events = this.pending;
    if (events.length === 0 && !ends && !this.release && this.created) return null;
    this.pending = [];
    const written = ends ? [...events, ends.event] : events;
    const { run, token } = this.held;
    const approvals = unitApprovals(this.playbook, run, this.state, written, ends !== null);
    const unit: Unit = {
      runId: this.runId,
      tenantId: run.tenantId,
      token,
      create: this.created ? null : run,
      expectedSeq: this.committedSeq,
      events: written,
      row: this.row(ends?.event),
      end: ends ? { result: ends.result } : null,
      release: ends ? null : this.release,
      seenInbox: this.seenInbox,
      recordsProgress: events.some((event) => PROGRESS.has(event.type)),
      snapshot: ends ? null : this.snapshotAt(this.committedSeq + written.length),
      children: this.unborn,
      ...(approvals ? { approvals } : {}),
      parent: run.parent,
    };
    this.unborn = [];
    this.inFlight = { events, characters: this.pendingCharacters, unit };
    this.pendingCharacters = 0;
    // From here on the row keeps the time: a timer that fired now would decide what the release leaves behind.
    if (unit.release) this.parked.pause();
    return unit;
  }

  /** The state, where it is due and just what the history is with this unit; one that is too long is tried again much later. */
  private snapshotAt(seq: number): string | null {
    if (!this.created || seq - this.snapshotSeq < SNAPSHOT_EVERY || seq !== this.state.seq || this.refusals > 0) return null;
    this.snapshotSeq = seq;
    return encodeState(this.state);
  }

  unitSettled(outcome: UnitOutcome): void {
    this.guard(() => {
      const flight = this.inFlight;
      this.inFlight = null;
      if (!flight || this.isOver) return;
      switch (outcome.kind) {
        case 'committed':
          return this.committed(flight.unit, outcome.cancelUnread === true);
        case 'lost':
        case 'duplicate':
          return this.close('lost');
        case 'inbox_moved':
          // Nothing was written. The run is still ours: take the events back, hear what was said, decide again (D6).
          this.pending = [...flight.events, ...this.pending];
          this.pendingCharacters += flight.characters;
          this.unborn = [...flight.unit.children, ...this.unborn];
          if (this.refusals === 0) this.finish = null;
          if (!this.releasing) this.unpark();
          return this.readInbox();
        case 'refused':
          return this.refused(flight.events, outcome.reason);
      }
    });
  }

  private committed(unit: Unit, cancelUnread: boolean): void {
    this.created = true;
    this.committedSeq = unit.expectedSeq + unit.events.length;
    if (unit.end) return this.close('ended');
    if (unit.release) return this.close('released');
    if (cancelUnread && this.hearsFirst === 0) this.hearFirst();
    this.beginCommitted();
    this.continueSoon();
    this.announceIfNeeded();
  }

  /** What waits for commits and may go on by now. */
  private beginCommitted(): void {
    if (this.hearsFirst > 0) return;
    while (this.barriers.length > 0 && this.barriers[0]!.seq <= this.committedSeq) this.perform(this.barriers.shift()!.perform);
    while (this.awaiting.length > 0 && this.awaiting[0]!.seq <= this.committedSeq) this.awaiting.shift()!.goOn();
  }

  /**
   * The store will never take these events: their results become failures without user data, and the run ends; if even that
   * is refused it ends as poison, and if that is refused too its lease is left to expire (D7). A cancel that was heard stays
   * one: nothing but CANCELLED may end such a run.
   */
  private refused(events: readonly RunEvent[], reason: string): void {
    this.stopPerforming();
    this.unborn = [];
    const calls = [...this.state.running.values()].flatMap(({ parts }) => (parts ? liveCalls(parts) : []));
    if (calls.length > 0 && this.refusals === 0 && this.created) this.takeAlong(calls);
    if (!this.created) return this.close('refused');
    this.refusals += 1;
    if (this.refusals > 2) {
      this.options.fault(new Error(`the end of the run was refused: ${reason}`));
      return this.close('lost');
    }
    const cancel = [...events, ...this.pending].find((event) => event.type === 'cancel_requested');
    const { events: instead, error } = refusedEnd(events, reason, this.refusals === 1);
    this.pending = instead;
    this.pendingCharacters = 0;
    this.state.failure = error;
    this.finish = { event: { type: 'execution_failed', error, others: [] }, result: null };
    if (cancel) this.endAsCancelled(cancel);
    else if (this.state.cancel) this.finish = { event: { type: 'execution_cancelled', reason: this.state.cancel.reason }, result: null };
    this.options.store.announce(this);
  }

  private endAsCancelled(request: Extract<RunEvent, { type: 'cancel_requested' }>): void {
    this.pending.push(request);
    this.finish = { event: { type: 'execution_cancelled', reason: request.reason }, result: null };
  }

  private receive(messages: readonly InboxMessage[], read: number): void {
    if (this.isOver) return;
    const heardFirst = this.hearsFirst > 0 && read >= this.hearsFirst;
    if (heardFirst) this.hearsFirst = 0;
    for (const message of messages) {
      if (message.inboxSeq <= this.seenInbox) continue;
      this.seenInbox = message.inboxSeq;
      const stimulus = stimulusOf(message);
      if (!stimulus) continue;
      if (this.refusals === 0) this.carryOut(this.decide(stimulus));
      else if (stimulus.kind === 'cancel')
        this.endAsCancelled({ type: 'cancel_requested', reason: stimulus.reason, force: stimulus.force });
    }
    // A release or an end that met unread inbox is decided again even where the messages changed nothing.
    if (this.releasing || this.refusals > 0) this.options.store.announce(this);
    else this.carryOut(this.decide({ kind: 'continue' }));
    if (heardFirst) this.beginCommitted();
  }

  /** Resolves once everything decided so far is committed, and never where the run is over here before. */
  private whenCommitted(): Promise<void> {
    const { seq } = this.state;
    if (this.isOver) return new Promise(() => undefined);
    return seq <= this.committedSeq && this.hearsFirst === 0 ? Promise.resolve() : new Promise((goOn) => this.awaiting.push({ seq, goOn }));
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

  private takeAlong(childIds: readonly string[]): void {
    this.takingAlong += 1;
    void this.performing()
      .cancelCalls(childIds)
      .then(() => {
        this.takingAlong -= 1;
        this.guard(() => this.announceIfNeeded());
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
    for (const event of decision.events) {
      this.pending.push(event);
      if (event.type === 'child_completed')
        this.endedCalls.push({ step: this.playbook.byName.get(event.step)!.index, childId: event.childId });
    }
    for (const { run, ended } of decision.children) {
      const undoes = (this.playbook.byName.get(run.parent?.step ?? '')?.undoes ?? null) !== null;
      this.unborn.push({ run, ended, token: ended ? null : this.options.tokenForCalled(), ...(undoes ? { undoes } : {}) });
      this.pendingCharacters += ended?.characters ?? 0;
    }
    // A run that is being cancelled has nobody begin any more (D29), but to undo what it did.
    const { cancel } = this.state;
    if (cancel) this.unborn = this.unborn.filter(({ ended, undoes }) => ended !== null || (undoes && !cancel.force));
    this.pendingCharacters += decision.characters;
    for (const timer of decision.timers) this.parked.park(timer.step, timer.wave, timer.dueAt);
    for (const { step, wave } of decision.overdue) this.overdue.ask({ step, wave, name: this.playbook.steps[step]!.name });
    this.parked.retain((step) => this.state.running.has(step));
    this.dropStaleBarriers();
    for (const perform of decision.performs) {
      // An effect begins only after everything it depends on is committed (D20); pure steps run ahead, within bounds (D17).
      if (this.state.seq > this.committedSeq && (perform.effect || this.isFarAhead())) this.barriers.push({ seq: this.state.seq, perform });
      else if (perform.effect && this.hearsFirst > 0) this.barriers.push({ seq: this.state.seq, perform });
      else this.perform(perform);
    }
    // After the performs: what was made again only to be ended is ended.
    for (const step of decision.aborts) this.performer?.abort(step, 'cancelled');
    if (this.isHalted(decision)) this.performer?.halt();
    if (decision.orphans.length > 0) this.takeAlong(decision.orphans);
    if (decision.finish) this.finish = decision.finish;
    // It had ended, and a cancel came before that was stored: what it did is undone first.
    else if (this.state.running.size > 0) this.finish = null;
    if (this.state.pause === 'paused') this.parked.clear();
    if (decision.more) {
      this.mustContinue = true;
      this.continueSoon();
    }
    for (const { step, childId } of this.endedCalls.splice(0)) this.performer?.childEnded(step, childId);
    this.parkIfIdle();
    this.alarm.set(this.isOver || this.finish || this.release ? null : ownDueAt(this.state, this.facts, this.options.clock.now()));
    this.announceIfNeeded();
  }

  private isHalted({ events }: Decision): boolean {
    return (this.state.failure !== null || this.state.pause !== 'none') && events.some(({ type }) => HALTS.has(type));
  }

  /**
   * A run in which everything waits for long costs a row, not memory: it releases its lease with the time at which the
   * first wait is over, and whoever claims it then goes on (D18). A paused one has no such time: only a message wakes it (D28).
   */
  private parkIfIdle(): void {
    const { parkAfterMs, clock } = this.options;
    if (parkAfterMs === null || this.releasing || this.finish || this.refusals > 0) return;
    const now = clock.now();
    if (this.mustContinue || !onlyWaits(this.state, this.facts, now, this.asleepUntil)) return;
    const dueAt = wakeAt(this.state, this.facts, now, this.asleepUntil);
    if (dueAt !== null && dueAt - now <= parkAfterMs) return;
    const since = this.performer?.waitsForCallsSince ?? null;
    const left = since === null ? 0 : since + parkAfterMs - clock.monotonic();
    // What it called may run here and end soon: then it need not be claimed again.
    if (left > 0) this.linger(Math.ceil(left));
    else this.release = { wakeAt: dueAt };
  }

  private linger(ms: number): void {
    this.lingering ??= this.options.clock.after(ms, () => {
      this.lingering = null;
      this.rest();
    });
  }

  /** The release met unread inbox and was not written: its timers run again. */
  private unpark(): void {
    this.release = null;
    this.parked.resume();
  }

  private isFarAhead(): boolean {
    const characters = this.pendingCharacters + (this.inFlight?.characters ?? 0);
    return this.state.seq - this.committedSeq >= RUN_AHEAD_EVENTS || characters >= RUN_AHEAD_CHARACTERS;
  }

  /** Goes on with a bounded decision in a turn of its own, so that no run holds the process; far ahead, after the next commit. */
  private continueSoon(): void {
    if (!this.mustContinue || this.continuing || this.isFarAhead()) return;
    this.continuing = true;
    this.options.clock.after(0, () => {
      this.continuing = false;
      if (this.mustContinue) this.feed({ kind: 'continue' });
    });
  }

  private announceIfNeeded(): void {
    if (!this.isOver && (this.pending.length > 0 || this.finish || this.release) && !this.inFlight) this.options.store.announce(this);
  }

  private dropStaleBarriers(): void {
    for (let at = this.barriers.length - 1; at >= 0; at--) {
      const { step, wave } = this.barriers[at]!.perform;
      if (this.state.running.get(step)?.wave !== wave) this.barriers.splice(at, 1);
      else if ((this.state.cancel || this.state.failure) && !this.state.running.get(step)?.undoes) {
        const { perform } = this.barriers.splice(at, 1)[0]!;
        this.performing().refuse(perform);
      }
    }
  }

  private perform(perform: Perform): void {
    if (this.isOver || this.releasing) return;
    const firing = this.state.running.get(perform.step);
    if (firing?.isLost && firing.wave === perform.wave)
      return void this.performing().giveUp(perform, firing.parts ? liveCalls(firing.parts) : []);
    if (perform.effect && !this.options.holdsLease()) return this.close('lost');
    this.performing().perform(perform);
  }

  private row(endedBy: TerminalEvent | undefined): RowState {
    const status = endedBy ? statusOfEnd(endedBy) : this.state.status;
    const isOver = isTerminal(status);
    this.progress = isOver ? 100 : Math.max(this.progress, progressOf(this.state, this.playbook));
    const now = this.options.clock.now();
    const waits = !isOver && !this.mustContinue && onlyWaits(this.state, this.facts, now, this.asleepUntil);
    return {
      // One that was told something before its start is still to begin.
      status: status === 'running' && waitsForStart(this.state, this.facts, now) ? 'pending' : status,
      progress: this.progress,
      currentStep: this.state.currentStep,
      waitingFor: isOver
        ? null
        : (undoWaitOf(this.state, this.playbook, now) ?? (waits ? waitOf(this.state, this.playbook, this.asleepUntil, now) : null)),
      error: this.finish && isOver && 'error' in this.finish.event ? (this.finish.event.error ?? null) : null,
    };
  }

  private stopPerforming(): void {
    this.parked.clear();
    this.alarm.set(null);
    this.lingering?.();
    this.lingering = null;
    this.barriers.length = 0;
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
      this.options.fault(error);
      this.close('lost');
    }
  }
}

/** What a history has opened that may still come back from the world: its requests, and what `secrets` steps left. */
function earlierSecrets({ sealed, settled }: RunState): Json[] {
  const left = settled.flatMap((step) => (step && sealedIn(step.value).length > 0 ? [step.value] : []));
  return [...sealed, ...left];
}
