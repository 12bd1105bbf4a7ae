import { type DataSource } from 'typeorm';
import { heldAtBirth, PENDING } from '../engine/births.js';
import { EngineError } from '../engine/engine-error.js';
import { type HeldRun, type NewRun, type RunId, type Unit, type UnitOutcome, type UnitSource } from '../engine/ports.js';
import { type RunEvent } from '../engine/run/events.js';
import { REQUEST_ANSWER_MS } from './connection-options.js';
import { claimDue, claimExpired, claimTooLate, countUnreadable, giveBack, UnreadableClaim } from './claim.js';
import { type CommitSignals } from './commit-signals.js';
import { type HeldRuns } from './held-runs.js';
import { type LeaseTerm } from './lease-term.js';
import { type Log } from './log.js';
import { DUE_CHANNEL, INBOX_CHANNEL, type Notifications } from './notifications.js';
import { type QueueDepth } from './queue-depth.js';
import { type PostgresRunStore } from './run-store.js';
import { PROCESS_TIMING, type Timing } from './timing.js';

const POLL_MS = 1_000;
const MAX_CLAIM = 100;
const GIVE_BACK_RETRY_MS = 500;
/** Called runs begun in one turn of the loop. */
const BEGIN_AT_ONCE = 100;

/** The worker's side of the queue. */
export interface RunConsumer {
  /** How many more runs it can take now. */
  capacity(): number;
  /** Runs it: sooner or later a unit of it is announced, or a claimed run given back. Must not throw; a run it cannot parse it ends as failed. */
  take(held: HeldRun): void;
  /** Runs it in memory alone (D32). */
  takeEphemeral(run: NewRun): void;
  /** True while it runs one whose holders keep crashing; no second one is handed to it (D16). */
  holdsSuspect(): boolean;
}

/** The start's idempotency key belongs to another execution, which is the answer (D31). */
export class DuplicateStart extends Error {}

/** How rows are claimed, and who gets what was claimed. */
interface Taking {
  readonly claim: (limit: number, excluded: readonly RunId[]) => Promise<readonly HeldRun[]>;
  /** Must not throw. */
  readonly hand: (run: HeldRun) => void;
  readonly room: () => number;
}

/** What the door gets for an offered run. */
export interface Offer {
  /** True where this node runs it; else it is stored for whoever has room. */
  readonly taken: boolean;
  /** Epoch milliseconds of the database at which the run became durable. Rejects with an EngineError. */
  readonly durable: Promise<number>;
}

interface Waiter {
  readonly resolve: (at: number) => void;
  readonly reject: (error: Error) => void;
  readonly stopTimer: () => void;
}

/**
 * Where the door offers runs and the worker takes them. The table of executions is the queue: a run is born leased to this node and starts
 * before its commit, or is stored without a holder and claimed by any node, by hint at once and by polling within a second.
 */
export class RunQueue {
  /** What was claimed here so far: without a holder, after a lease had expired, to be ended as expired. */
  readonly counts = { claimed: 0, takenOver: 0, tooLate: 0 };
  private consumer: RunConsumer | null = null;
  private readonly waiters = new Map<RunId, Waiter>();
  private claiming: Promise<void> | null = null;
  private claimAgain = false;
  private databaseWasAway = false;
  /** Monotonic times of the last poll, and of the end of the last time in which this process itself stood still. */
  private polledAt = 0;
  private stoodStillUntil = -Infinity;
  /** Monotonic time up to which an expired lease may be the database's fault; null: it was never away. */
  private graceEndedAt: number | null = null;
  /** Monotonic time of the next look for expired leases. */
  private nextSweepAt = 0;
  /** That look fell short for want of room: it is made up for before what is due takes the next room, or a full node would never come to it. */
  private owesSweep = false;
  private stops: (() => void)[] = [];
  private stopped = false;
  /** Called runs that this node holds and has not begun yet. */
  private readonly born: HeldRun[] = [];
  private beginning = false;
  /** Runs whose called runs have ended, which they were not told yet. */
  private readonly told = new Set<RunId>();
  private readonly givingBack = new Set<Promise<void>>();
  /** Runs whose rows cannot be read, and until when (monotonic) they are not tried again: they must not hold up the others (R4). */
  private readonly unreadable = new Map<RunId, number>();

  constructor(
    private readonly db: DataSource,
    private readonly store: PostgresRunStore,
    private readonly held: HeldRuns,
    private readonly signals: CommitSignals,
    private readonly notifications: Notifications,
    private readonly lease: LeaseTerm,
    private readonly depth: QueueDepth,
    private readonly log: Log,
    private readonly timing: Timing = PROCESS_TIMING,
  ) {
    signals.onSettled((unit, outcome, sentAt) => this.unitSettled(unit, outcome, sentAt));
  }

  /** Begins to poll and to listen; without a consumer nothing is claimed. */
  start(): void {
    this.polledAt = this.timing.monotonic();
    this.stops = [
      this.timing.every(POLL_MS, this.poll),
      this.notifications.listen(DUE_CHANNEL, this.wake),
      this.notifications.listen(INBOX_CHANNEL, (runId) => {
        this.signals.inboxMoved(runId);
        this.wake();
      }),
      this.notifications.onReconnect(this.wake),
    ];
  }

  /** Stops claiming; resolves once no claim is under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.consumer = null;
    for (const stop of this.stops) stop();
    for (const run of this.born.splice(0)) this.hand(run);
    await this.claiming;
    await Promise.all(this.givingBack);
  }

  /** Sets who runs the runs of this node. The returned function drains: from then on runs are stored without a holder and none is claimed. */
  consume(consumer: RunConsumer): () => Promise<void> {
    this.consumer = consumer;
    this.wake();
    return async () => {
      if (this.consumer === consumer) this.consumer = null;
      await this.claiming;
    };
  }

  /**
   * Refuses a start that could neither run here now nor be queued, before anything is looked up for it: overload is to cost little, also where the
   * database is slow. That nothing is refused here promises nothing: `offer` decides.
   * @throws EngineError queue_full
   */
  refuseIfFull(tenantId: string): void {
    if (this.consumer === null || this.consumer.capacity() <= 0) this.depth.refuseIfFull(tenantId);
  }

  /**
   * Starts a run here, or stores it for whoever has room, or for its time. It runs ahead of its commit; nothing of it is visible before (D17).
   * @param firstEvents what to store where no consumer here takes the run
   */
  offer(run: NewRun, firstEvents: readonly RunEvent[]): Offer {
    const condition = this.store.condition();
    if (condition !== 'fine') return { taken: false, durable: Promise.reject(condition === 'away' ? databaseAway() : overloaded()) };
    const consumer = this.consumer;
    const taken = consumer !== null && consumer.capacity() > 0 && (run.startAt ?? 0) <= this.timing.now();
    if (!taken) return { taken, durable: this.queueUp(run, firstEvents) };
    const durable = this.durable(run.id);
    const token = this.timing.token();
    this.held.add(run.id, token, 0, false);
    this.handTo(consumer, { run, token, claimNo: 1, history: null });
    return { taken, durable };
  }

  private async queueUp(run: NewRun, firstEvents: readonly RunEvent[]): Promise<number> {
    await this.depth.enter(run.tenantId);
    const durable = this.durable(run.id);
    this.store.announce(new CreateOnly(run, firstEvents));
    return durable;
  }

  /** The commit of a run's create that is announced next. A database that does not answer leaves its outcome unknown (D9). */
  private durable(runId: RunId): Promise<number> {
    return new Promise((resolve, reject) => {
      const stopTimer = this.timing.after(REQUEST_ANSWER_MS, () => {
        this.waiters.delete(runId);
        reject(outcomeUnknown(runId));
      });
      this.waiters.set(runId, { resolve, reject, stopTimer });
    });
  }

  /** Starts a run without rows (D32); false where nobody here can run it now. */
  offerEphemeral(run: NewRun): boolean {
    if (this.consumer === null || this.consumer.capacity() <= 0) return false;
    this.consumer.takeEphemeral(run);
    return true;
  }

  /**
   * Gives a claimed run back of which nothing was written, due again `afterMs` from now. Keeps trying while the database is away; where the
   * node stops before, the lease expires.
   * @param attempts what its row counts from then on (D16)
   */
  giveBack(held: HeldRun, afterMs: number, attempts = 0): void {
    const given = this.release(held, afterMs, attempts).finally(() => this.givingBack.delete(given));
    this.givingBack.add(given);
  }

  private async release(held: HeldRun, afterMs: number, attempts: number): Promise<void> {
    for (;;) {
      try {
        await giveBack(this.db, [held], afterMs, attempts);
        break;
      } catch (error) {
        this.log.warn({ err: error, runId: held.run.id }, 'a claimed execution could not be given back');
        if (this.stopped) break;
        await this.timing.sleep(GIVE_BACK_RETRY_MS);
      }
    }
    this.held.forget(held.run.id, held.token);
  }

  private readonly poll = (): void => {
    const now = this.timing.monotonic();
    if (this.standsStill(now)) this.stoodStillUntil = now;
    this.polledAt = now;
    this.wake();
  };

  private standsStill(now: number): boolean {
    return now - this.polledAt > Math.max(2 * POLL_MS, this.lease.idleInTransactionMs);
  }

  /**
   * The database failed, or is slow and fails. Where this process stood still meanwhile that may be its own doing, for the server ends a transaction
   * that stands still: then it says nothing about the leases of others.
   */
  private noteAway(since: number): void {
    const now = this.timing.monotonic();
    if (!this.standsStill(now) && this.stoodStillUntil < since) this.databaseWasAway = true;
  }

  /** Looks for due rows soon. */
  readonly wake = (): void => {
    if (this.claiming !== null) {
      this.claimAgain = true;
      return;
    }
    this.claiming = this.claim().finally(() => {
      this.claiming = null;
      if (this.claimAgain) {
        this.claimAgain = false;
        this.wake();
      }
    });
  };

  private async claim(): Promise<void> {
    const began = this.timing.monotonic();
    // Then there is no room, and nothing is asked of the database.
    if (this.store.condition() === 'away') this.noteAway(began);
    try {
      let answered = false;
      for (let claimed = MAX_CLAIM, limit = 0; claimed >= limit;) {
        if (!this.databaseWasAway && (answered || this.owesSweep)) await this.sweep();
        limit = this.room();
        if (limit <= 0) break;
        claimed = await this.take(
          limit,
          this.forConsumer((most, ids) => claimDue(this.db, this.lease, most, ids)),
        );
        this.counts.claimed += claimed;
        answered = true;
      }
      if (this.databaseWasAway && answered) {
        // Leases that expired meanwhile say nothing about their holders: these get a lease's time to be back (D16).
        this.databaseWasAway = false;
        this.graceEndedAt = this.timing.monotonic() + this.lease.ms;
        this.nextSweepAt = this.graceEndedAt;
      }
      await this.sweep();
    } catch (error) {
      this.noteAway(began);
      this.log.warn({ err: error }, 'executions could not be claimed');
    }
  }

  /** Takes over what crashed holders left behind (R4): for ever, on every node, a batch at a time. */
  private async sweep(): Promise<void> {
    const limit = this.room();
    const consumer = this.consumer;
    const now = this.timing.monotonic();
    if (consumer === null || now < this.nextSweepAt) return;
    this.owesSweep = limit <= 0;
    if (limit <= 0) return;
    this.nextSweepAt = now + POLL_MS;
    const excusedBeforeMs = this.graceEndedAt === null ? null : now - this.graceEndedAt;
    const swept = await this.take(
      limit,
      this.forConsumer((most, ids) => claimExpired(this.db, this.lease, most, ids, !consumer.holdsSuspect(), excusedBeforeMs)),
    );
    // There may be more.
    if (swept >= limit) this.nextSweepAt = now;
    this.owesSweep = swept >= limit;
    this.counts.takenOver += swept;
    if (swept > 0) this.log.info({ executions: swept }, 'took over executions whose leases had expired');
  }

  /** The one suspect that was worked on here has got on, or is over: the next one need not wait for the next look (D16). */
  takeNextSuspect(): void {
    const now = this.timing.monotonic();
    if (this.graceEndedAt === null || now >= this.graceEndedAt) this.nextSweepAt = Math.min(this.nextSweepAt, now);
    this.wake();
  }

  /** Claims runs that it is too late to begin, `limit` at most, for `end` to end them. @returns how many. @throws where the database fails */
  async takeTooLate(limit: number, end: (held: HeldRun) => void): Promise<number> {
    const room = (): number => (this.store.condition() === 'fine' ? limit : 0);
    if (room() === 0) return 0;
    const taken = await this.take(limit, { claim: (most, ids) => claimTooLate(this.db, this.lease, most, ids), hand: end, room });
    this.counts.tooLate += taken;
    return taken;
  }

  private room(): number {
    return this.store.condition() === 'fine' ? Math.min(MAX_CLAIM, this.consumer?.capacity() ?? 0) : 0;
  }

  /** @returns how many rows were dealt with */
  private async take(limit: number, taking: Taking): Promise<number> {
    const sent = this.timing.monotonic();
    const { dropped } = this.held;
    let claimed: readonly HeldRun[];
    try {
      claimed = await taking.claim(limit, [...this.held.ids(), ...this.unreadableNow(sent)]);
    } catch (error) {
      if (!(error instanceof UnreadableClaim)) throw error;
      return await this.takeApart(error, taking);
    }
    // Claimed on a history that is over; where the present one has these leases too, they expire.
    if (dropped !== this.held.dropped) return 0;
    for (const run of claimed) {
      const { id } = run.run;
      this.held.add(id, run.token, run.history?.inboxConsumed ?? 0, true, sent);
      if (this.held.isLive(id, run.token)) taking.hand(run);
      else this.letGo(run);
    }
    return claimed.length;
  }

  /**
   * Its claim took longer than its lease, or a run before it made this node stand still for so long: by now it may be another's. Where it still is
   * not, the row need not keep a lease that is over. That counts as an expired lease does, for perhaps it is this run that takes so long; from the
   * second time on it is left to the sweep, which takes suspects alone (D16).
   */
  private letGo(run: HeldRun): void {
    if ((run.history?.attempts ?? 0) === 0) this.giveBack(run, 0, 1);
    else this.held.forget(run.run.id, run.token);
  }

  /** One row that cannot be read fails alone: that is counted, it is set aside for a lease, and the others are claimed one by one. */
  private async takeApart(error: UnreadableClaim, taking: Taking): Promise<number> {
    const [only] = error.ids;
    if (error.ids.length === 1 && only !== undefined) {
      this.log.error({ err: error, runId: only }, 'an execution cannot be claimed');
      this.unreadable.set(only, this.timing.monotonic() + this.lease.ms);
      await countUnreadable(this.db, this.lease, only);
      return 1;
    }
    let count = 0;
    for (let left = error.ids.length; left > 0 && taking.room() > 0; left--) count += await this.take(1, taking);
    return count;
  }

  private unreadableNow(now: number): RunId[] {
    for (const [id, until] of this.unreadable) if (until <= now) this.unreadable.delete(id);
    return [...this.unreadable.keys()];
  }

  private readonly forConsumer = (claim: Taking['claim']): Taking => ({ claim, hand: this.hand, room: () => this.room() });

  private readonly hand = (run: HeldRun): void => {
    // Claimed while draining: give it back at once, nobody has to wait for the lease to expire.
    if (this.consumer === null) this.giveBack(run, 0);
    else this.handTo(this.consumer, run);
  };

  /** A consumer that fails on one run must not cost the others that were claimed with it; this one's lease is left to expire. */
  private handTo(consumer: RunConsumer, run: HeldRun): void {
    try {
      consumer.take(run);
    } catch (error) {
      this.log.error({ err: error, runId: run.run.id }, 'a run could not be handed over');
      this.held.forget(run.run.id, run.token);
    }
  }

  /** Called runs were stored with a unit: those that were born for this node begin, the others wait for whoever has room. */
  private takeBorn({ children, tenantId }: Unit, at: number, sentAt: number | null): void {
    let queued = 0;
    for (const child of children) {
      const { run, token, ended } = child;
      if (ended !== null) continue;
      if (token === null) {
        queued += 1;
        continue;
      }
      this.held.add(run.id, token, 0, true, sentAt ?? undefined);
      this.born.push(heldAtBirth(child, token, at));
    }
    if (this.born.length > 0 && !this.beginning) this.beginBorn();
    if (queued === 0) return;
    this.depth.note(tenantId, queued);
    this.wake();
    this.notifications.notify(DUE_CHANNEL, '');
  }

  /** Some in each turn of the loop: a batch may bring thousands, and beginning one takes a while. */
  private beginBorn(): void {
    for (const run of this.born.splice(0, BEGIN_AT_ONCE)) this.hand(run);
    this.beginning = this.born.length > 0;
    if (this.beginning) this.timing.after(0, () => this.beginBorn());
  }

  /** A called run ended: the one that waits for it hears soon, where it is held here without a question to the database. */
  private tellParent(parentId: RunId): void {
    if (this.told.size === 0) this.timing.after(0, this.tellParents);
    this.told.add(parentId);
  }

  /** Those of a whole batch, each once. */
  private readonly tellParents = (): void => {
    let away = false;
    for (const parentId of this.told) {
      if (this.held.has(parentId)) {
        this.signals.inboxMoved(parentId);
        continue;
      }
      away = true;
      this.notifications.notify(INBOX_CHANNEL, parentId);
    }
    this.told.clear();
    if (away) this.wake();
  };

  private unitSettled(unit: Unit, outcome: UnitOutcome, sentAt: number | null): void {
    if (outcome.kind === 'committed') {
      if (unit.children.length > 0) this.takeBorn(unit, outcome.at, sentAt);
      if (unit.end !== null && unit.parent !== null) this.tellParent(unit.parent.runId);
    }
    if (unit.create === null) return;
    const wasSent = sentAt !== null;
    if (outcome.kind === 'committed' && unit.token === null) {
      this.wake();
      this.notifications.notify(DUE_CHANNEL, '');
    }
    const waiter = this.waiters.get(unit.runId);
    if (waiter === undefined) return;
    this.waiters.delete(unit.runId);
    waiter.stopTimer();
    switch (outcome.kind) {
      case 'committed':
        return waiter.resolve(outcome.at);
      case 'refused':
        return waiter.reject(new EngineError('invalid', 'invalid_value', `The execution cannot be stored: ${outcome.reason}.`));
      case 'duplicate':
        return waiter.reject(new DuplicateStart());
      case 'lost':
      case 'inbox_moved':
        // What was sent may be stored, whatever this process heard of it: only the database knows (D9).
        return waiter.reject(
          wasSent
            ? outcomeUnknown(unit.runId)
            : this.stopped
              ? new EngineError('unavailable', 'draining', 'The service is shutting down; the execution was not started.')
              : databaseAway(),
        );
    }
  }
}

function overloaded(): EngineError {
  return new EngineError('unavailable', 'overloaded', 'The database takes too long to store what is under way; nothing was started.');
}

function databaseAway(): EngineError {
  return new EngineError('unavailable', 'database_unavailable', 'The database cannot be reached; nothing was started.');
}

function outcomeUnknown(runId: RunId): EngineError {
  return new EngineError('unavailable', 'outcome_unknown', `The database has not answered; ask for execution ${runId}.`);
}

/** Stores a run without a holder. */
class CreateOnly implements UnitSource {
  readonly runId: RunId;

  constructor(
    private readonly run: NewRun,
    private readonly events: readonly RunEvent[],
  ) {
    this.runId = run.id;
  }

  takeUnit(): Unit {
    return {
      runId: this.run.id,
      tenantId: this.run.tenantId,
      token: null,
      create: this.run,
      expectedSeq: 0,
      events: this.events,
      row: PENDING,
      end: null,
      release: null,
      seenInbox: 0,
      recordsProgress: false,
      snapshot: null,
      children: [],
      parent: this.run.parent,
    };
  }

  unitSettled(): void {
    // The queue hears of it as every listener does.
  }
}
