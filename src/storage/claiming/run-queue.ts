import { type DataSource } from 'typeorm';
import { type HeldRun, type NewRun, type Unit, type UnitOutcome } from '../../engine/ports.js';
import { type RunEvent } from '../../engine/run/events.js';
import { BornRuns } from './born-runs.js';
import { CallerHints } from './caller-hints.js';
import { ClaimLoop } from './claim-loop.js';
import { Claiming } from './claiming.js';
import { type CommitSignals } from '../commit-signals.js';
import { GivingBack } from './giving-back.js';
import { Handover, type RunConsumer } from './handover.js';
import { type HeldRuns } from './held-runs.js';
import { type LeaseTerm } from '../lease-term.js';
import { type Log } from '../log.js';
import { DUE_CHANNEL, INBOX_CHANNEL, type Notifications } from '../connection/notifications.js';
import { type QueueDepth } from './queue-depth.js';
import { QueuedRun } from './queued-run.js';
import { type PostgresRunStore } from '../run-store.js';
import { databaseAway, overloaded, StartAnswers } from './start-answers.js';
import { PROCESS_TIMING, type Timing } from '../timing.js';

/** What the door gets for an offered run. */
export interface Offer {
  /** True where this node runs it; else it is stored for whoever has room. */
  readonly taken: boolean;
  /** Epoch milliseconds of the database at which the run became durable. Rejects with an EngineError, or with DuplicateStart. */
  readonly durable: Promise<number>;
}

/**
 * Where the door offers runs and the worker takes them. The table of executions is the queue: a run is born leased to this node and starts
 * before its commit, or is stored without a holder and claimed by any node, by hint at once and by polling within a second.
 */
export class RunQueue {
  private readonly stopping = new AbortController();
  private readonly givingBack: GivingBack;
  private readonly handover: Handover;
  private readonly claims: Claiming;
  private readonly loop: ClaimLoop;
  private readonly answers: StartAnswers;
  private readonly born: BornRuns;
  private readonly callers: CallerHints;
  private stops: (() => void)[] = [];

  constructor(
    db: DataSource,
    private readonly store: PostgresRunStore,
    private readonly held: HeldRuns,
    private readonly signals: CommitSignals,
    private readonly notifications: Notifications,
    lease: LeaseTerm,
    private readonly depth: QueueDepth,
    log: Log,
    private readonly timing: Timing = PROCESS_TIMING,
  ) {
    this.givingBack = new GivingBack(db, held, log, timing, this.stopping.signal);
    this.handover = new Handover(held, this.givingBack, log);
    this.claims = new Claiming(db, held, lease, this.givingBack, log, timing);
    this.loop = new ClaimLoop(this.claims, store, this.handover, lease, log, timing);
    this.answers = new StartAnswers(timing, this.stopping.signal);
    this.born = new BornRuns(held, this.handover, depth, timing, () => this.due());
    this.callers = new CallerHints(held, signals, notifications, timing, this.wake);
    signals.onSettled((unit, outcome, sentAt) => this.unitSettled(unit, outcome, sentAt));
  }

  /** See Claiming.counts. */
  get counts(): Claiming['counts'] {
    return this.claims.counts;
  }

  /** Begins to poll and to listen; without a consumer nothing is claimed. */
  start(): void {
    this.stops = [
      this.loop.start(),
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
    this.stopping.abort();
    this.handover.consumer = null;
    for (const stop of this.stops) stop();
    this.born.flush();
    await this.loop.done();
    await this.givingBack.done();
  }

  /** Sets who runs the runs of this node. The returned function drains: from then on runs are stored without a holder and none is claimed. */
  consume(consumer: RunConsumer): () => Promise<void> {
    this.handover.consumer = consumer;
    this.wake();
    return async () => {
      if (this.handover.consumer === consumer) this.handover.consumer = null;
      await this.loop.done();
    };
  }

  /**
   * Refuses a start that could neither run here now nor be queued, before anything is looked up for it: overload is to cost little, also where the
   * database is slow. That nothing is refused here promises nothing: `offer` decides.
   * @throws EngineError queue_full
   */
  refuseIfFull(tenantId: string): void {
    if (this.handover.room() <= 0) this.depth.refuseIfFull(tenantId);
  }

  /**
   * Starts a run here, or stores it for whoever has room, or for its time. It runs ahead of its commit; nothing of it is visible before (D17).
   * @param firstEvents what to store where no consumer here takes the run
   */
  offer(run: NewRun, firstEvents: readonly RunEvent[]): Offer {
    const condition = this.store.condition();
    if (condition !== 'fine') return { taken: false, durable: Promise.reject(condition === 'away' ? databaseAway() : overloaded()) };
    const taken = this.handover.room() > 0 && (run.startAt ?? 0) <= this.timing.now();
    if (!taken) return { taken, durable: this.queueUp(run, firstEvents) };
    const durable = this.answers.durable(run.id);
    const token = this.timing.token();
    this.held.add(run.id, token, 0, false);
    this.handover.hand({ run, token, claimNo: 1, history: null });
    return { taken, durable };
  }

  private async queueUp(run: NewRun, firstEvents: readonly RunEvent[]): Promise<number> {
    await this.depth.enter(run.tenantId);
    const durable = this.answers.durable(run.id);
    this.store.announce(new QueuedRun(run, firstEvents));
    return durable;
  }

  /** Starts a run without rows (D32); false where nobody here can run it now. */
  offerEphemeral(run: NewRun): boolean {
    return this.handover.handEphemeral(run);
  }

  /** Gives a claimed run back of which nothing was written, due again `afterMs` from now; see GivingBack. */
  giveBack(held: HeldRun, afterMs: number): void {
    this.givingBack.giveBack(held, afterMs);
  }

  /** Looks for due rows soon. */
  readonly wake = (): void => this.loop.wake();

  /** See ClaimLoop.takeNextSuspect. */
  takeNextSuspect(): void {
    this.loop.takeNextSuspect();
  }

  /** Claims runs that it is too late to begin, `limit` at most, for `end` to end them. @returns how many. @throws where the database fails */
  async takeTooLate(limit: number, end: (held: HeldRun) => void): Promise<number> {
    const room = (): number => (this.store.condition() === 'fine' ? limit : 0);
    return room() === 0 ? 0 : await this.claims.tooLate(limit, { room, hand: end });
  }

  private unitSettled(unit: Unit, outcome: UnitOutcome, sentAt: number | null): void {
    const committed = outcome.kind === 'committed';
    if (committed) {
      if (unit.children.length > 0) this.born.stored(unit, outcome.at, sentAt);
      if (unit.end !== null && unit.parent !== null) this.callers.tell(unit.parent.runId);
    }
    if (unit.create === null) return;
    if (committed && unit.token === null) this.due();
    this.answers.settled(unit.runId, outcome, sentAt !== null);
  }

  /** Rows without a holder have become due: here and on the other nodes somebody may have room. */
  private due(): void {
    this.wake();
    this.notifications.notify(DUE_CHANNEL, '');
  }
}
