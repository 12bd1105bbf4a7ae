import { type UnitSource } from '../../engine/ports.js';
import { AnnouncedUnits } from './announced-units.js';
import { type CommitSignals } from '../commit-signals.js';
import { type DatabaseHistory } from '../connection/database-history.js';
import { type LargeWork } from './large-work.js';
import { type LeaseTerm } from '../lease-term.js';
import { type Log } from '../log.js';
import { StuckUnits } from './stuck-units.js';
import { PROCESS_TIMING, type Timing } from '../timing.js';
import { UnitsUnderWay } from './units-under-way.js';
import { WriterConnection } from './writer-connection.js';
import { type LaneConnection, type LaneContext, WriterLane } from './writer-lane.js';

export interface BatchWriterSettings {
  readonly url: string;
  /** Batches that may be in flight at once, each on its own connection; besides them there is one connection for large units. */
  readonly connections: number;
  readonly lease: LeaseTerm;
  readonly history: DatabaseHistory;
  readonly log: Log;
  /** The process's own where left out. */
  readonly timing?: Timing;
  /** Told the database's time whenever an answer has just brought it; epoch milliseconds. */
  readonly heard?: (databaseMs: number) => void;
  /** Told of each large unit, and asked before the next; left out: large units follow one another. */
  readonly largeWork?: LargeWork;
  /**
   * Whether so many waiting units leave beside a batch that writes so many runs and is in flight. Left out: where there are enough of them, since what
   * small batches cost the database is more than what not waiting gains.
   */
  readonly leavesBeside?: (waiting: number, inFlight: number) => boolean;
  /** How a connection is made; to the database of `url` where left out. */
  readonly connect?: () => LaneConnection;
}

/** Fewer units than these never leave beside a batch that is in flight. */
const LEAST_BESIDE = 16;
/** And never fewer than that one has runs (docs/performance.md, "What was compared"). */
const enoughBeside = (waiting: number, inFlight: number): boolean => waiting >= LEAST_BESIDE && waiting >= inFlight;

/**
 * All writes of this node. While a batch is in flight, those who have something to write gather; then one statement and one commit take all of
 * it. Where as many have gathered as are in flight, they need not wait for its end: the database works on them while this process goes on with what
 * the other one stored. There is no delay when idle, and a run has at most one unit in flight (D3, D4). Every unit that was taken is settled exactly once.
 */
export class BatchWriter {
  private readonly batchListeners: ((units: number, ms: number) => void)[] = [];
  private readonly timing: Timing;
  private readonly underWay: UnitsUnderWay;
  private readonly announced: AnnouncedUnits;
  private readonly stuck: StuckUnits;
  private readonly lanes: WriterLane[];
  private readonly idleListeners = new Set<() => void>();
  private readonly abandoned = new AbortController();
  private scheduled = false;
  /** A large unit waits for its turn. */
  private resting = false;
  private lastDurationMs = 0;

  constructor(
    private readonly settings: BatchWriterSettings,
    signals: CommitSignals,
  ) {
    const { url, lease, history, log, timing = PROCESS_TIMING, connect = () => new WriterConnection(url, lease, history, log) } = settings;
    this.timing = timing;
    this.underWay = new UnitsUnderWay(signals, history, log);
    this.announced = new AnnouncedUnits(this.underWay, history, log);
    this.stuck = new StuckUnits(timing, () => this.schedule());
    const context: LaneContext = {
      underWay: this.underWay,
      stuck: this.stuck,
      log,
      timing,
      largeWork: settings.largeWork,
      heard: settings.heard,
      committed: (units, ms) => {
        for (const listener of this.batchListeners) listener(units, ms);
      },
      abandoned: this.abandoned.signal,
    };
    this.lanes = Array.from(
      { length: settings.connections + 1 },
      (_, index) => new WriterLane(connect(), index === settings.connections, context),
    );
    history.onChange(() => {
      this.announced.loseAll();
      this.schedule();
    });
  }

  /** Batches sent, those that committed, and the units that did. */
  get counts(): { readonly batches: number; readonly commits: number; readonly units: number } {
    let [batches, commits] = [0, 0];
    for (const { counts } of this.lanes) {
      batches += counts.batches;
      commits += counts.commits;
    }
    return { batches, commits, units: this.underWay.committed };
  }

  /** See RunStore.announce. */
  announce(source: UnitSource): void {
    this.announced.add(source);
    this.schedule();
  }

  /** Hears of every batch that committed: its units, and the milliseconds from sending it. Must not throw, and be quick. */
  onBatch(listener: (units: number, ms: number) => void): void {
    this.batchListeners.push(listener);
  }

  /**
   * How long a commit takes now, in milliseconds: the age of the oldest batch in flight, or what the last one took; 0 when idle (D12). How long a
   * large unit takes says nothing about the database.
   */
  latencyMs(): number {
    let since: number | null = null;
    for (const { busySince, forLarge } of this.lanes) {
      if (busySince !== null && !forLarge && (since === null || busySince < since)) since = busySince;
    }
    return since === null ? 0 : Math.max(this.lastDurationMs, this.timing.monotonic() - since);
  }

  /** slow: nothing more should be taken on (D12). away: slow because the database fails. */
  condition(): 'fine' | 'slow' | 'away' {
    if (this.latencyMs() <= this.settings.lease.slowCommitMs) return 'fine';
    return this.lanes.some((lane) => lane.isFailing) ? 'away' : 'slow';
  }

  /** Resolves once nothing waits and nothing is in flight. */
  async flush(): Promise<void> {
    while (!this.isIdle()) await new Promise<void>((resolve) => this.idleListeners.add(resolve));
  }

  /** Writes what there is, for at most `graceMs`; what is not stored by then is settled as lost. */
  async close(graceMs: number): Promise<void> {
    const { promise: tooLate, resolve } = Promise.withResolvers<void>();
    const stopTimer = this.timing.after(graceMs, resolve);
    await Promise.race([this.flush(), tooLate]);
    stopTimer();
    this.abandoned.abort();
    for (const lane of this.lanes) if (lane.busySince !== null) lane.connection.drop();
    this.schedule();
    await this.flush();
    await Promise.all(this.lanes.map((lane) => lane.connection.close().catch(() => undefined)));
  }

  private isIdle(): boolean {
    return this.announced.size === 0 && this.underWay.size === 0;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    // After the callbacks of this turn of the loop: requests that arrived together travel together, and nothing waits for a clock.
    this.timing.after(0, () => {
      this.scheduled = false;
      this.pump();
    });
  }

  private pump(): void {
    for (const lane of this.lanes) {
      if (lane.busySince !== null) continue;
      const returning = lane.forLarge ? [] : this.abandoned.signal.aborted ? this.stuck.takeAll() : this.stuck.takeDue();
      if (lane.forLarge ? this.rests() : returning.length === 0 && !this.mayLeave()) continue;
      const since = this.timing.monotonic();
      const units = this.announced.takeBatch(lane.forLarge);
      if (this.announced.foundOnlyLarge) this.schedule();
      if (units.length === 0 && returning.length === 0) continue;
      lane.busySince = this.timing.monotonic();
      lane.runs = units.reduce((sum, { children }) => sum + 1 + children.length, 0);
      // Its JSON was made just now, and leaves in this turn.
      if (lane.forLarge) this.settings.largeWork?.begun(since);
      void lane
        .store(units, returning)
        .catch((error: unknown) => this.underWay.giveUp([...units, ...returning], error))
        .finally(() => {
          if (!lane.forLarge) this.lastDurationMs = this.timing.monotonic() - (lane.busySince ?? 0);
          lane.busySince = null;
          this.schedule();
        });
    }
    if (this.isIdle()) {
      for (const tell of this.idleListeners) tell();
      this.idleListeners.clear();
    }
  }

  /** Whether a batch of small units may leave now, beside the largest in flight. Runs that are called count: their rows are most of the work. */
  private mayLeave(): boolean {
    let inFlight = 0;
    for (const { busySince, forLarge, runs } of this.lanes) if (busySince !== null && !forLarge) inFlight = Math.max(inFlight, runs);
    return inFlight === 0 || (this.settings.leavesBeside ?? enoughBeside)(this.announced.size, inFlight);
  }

  /** Whether a large unit has to wait for small work; looks again by itself. */
  private rests(): boolean {
    const rest = this.abandoned.signal.aborted ? 0 : (this.settings.largeWork?.restMs() ?? 0);
    if (rest > 0 && !this.resting) {
      this.resting = true;
      this.timing.after(rest, () => {
        this.resting = false;
        this.schedule();
      });
    }
    return rest > 0;
  }
}
