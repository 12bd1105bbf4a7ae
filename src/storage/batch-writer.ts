import { type RunId, type Unit, type UnitOutcome, type UnitSource } from '../engine/ports.js';
import { batchParameters } from './batch-statement.js';
import { type CommitSignals } from './commit-signals.js';
import { type DatabaseHistory } from './database-history.js';
import { type LargeWork } from './large-work.js';
import { type LeaseTerm } from './lease-term.js';
import { type Log } from './log.js';
import { resolveFates } from './outcome-unknown.js';
import { type Connection } from './own-connection.js';
import { type PendingUnit, pendingUnit } from './pending-unit.js';
import { condemnsConnection, isTransient, sqlStateOf } from './sql-state.js';
import { NotStorable } from './storability.js';
import { apartFromCallers, lockedOf, StuckUnits } from './stuck-units.js';
import { PROCESS_TIMING, type Timing } from './timing.js';
import { WriterConnection } from './writer-connection.js';

const MAX_UNITS = 500;
const MAX_EVENTS = 4_000;
/** Characters of JSON in one batch; a single larger unit may go beyond. */
const MAX_SIZE = 4 * 1024 * 1024;
/** Units of so many characters are large: each travels alone, on a connection that has no others, so that neighbours do not wait for them. */
const LARGE_UNIT = 1024 * 1024;
/** SQLSTATE lock_not_available. */
const LOCK_TIMEOUT = '55P03';
const FIRST_BACK_OFF_MS = 20;
const LONGEST_BACK_OFF_MS = 1_000;

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
  /** How a connection is made; to the database of `url` where left out. */
  readonly connect?: () => Lane['connection'];
}

interface Lane {
  readonly connection: Connection & Pick<WriterConnection, 'write'>;
  readonly forLarge: boolean;
  /** Monotonic time at which its batch left; null where it is idle. */
  busySince: number | null;
  /** Since when it has been failing without a success. */
  failures: number;
}

/**
 * All writes of this node. While a batch is in flight, those who have something to write gather; then one statement and one commit take all of
 * it. There is no delay when idle, and a run has at most one unit in flight (D3, D4). Every unit that was taken is settled exactly once.
 */
export class BatchWriter {
  /** Batches sent, those that committed, and the units that did. */
  readonly counts = { batches: 0, commits: 0, units: 0 };
  private readonly batchListeners: ((units: number, ms: number) => void)[] = [];
  private readonly waiting = new Set<UnitSource>();
  private readonly inFlight = new Set<RunId>();
  /** Taken, but not for the batch of then: the run that hears of their end had a unit in it. They go first in the next. */
  private carried: PendingUnit[] = [];
  private readonly timing: Timing;
  private readonly stuck: StuckUnits;
  private readonly lanes: Lane[];
  private readonly idleListeners = new Set<() => void>();
  private scheduled = false;
  /** A large unit waits for its turn. */
  private resting = false;
  private abandoned = false;
  private lastDurationMs = 0;

  constructor(
    private readonly settings: BatchWriterSettings,
    private readonly signals: CommitSignals,
  ) {
    const { url, lease, history, log, timing = PROCESS_TIMING, connect = () => new WriterConnection(url, lease, history, log) } = settings;
    this.timing = timing;
    this.stuck = new StuckUnits(timing, () => this.schedule());
    this.lanes = Array.from({ length: settings.connections + 1 }, (_, index) => ({
      connection: connect(),
      forLarge: index === settings.connections,
      busySince: null,
      failures: 0,
    }));
    settings.history.onChange(() => this.loseWaiting());
  }

  /** See RunStore.announce. */
  announce(source: UnitSource): void {
    this.waiting.add(source);
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
    return this.lanes.some(({ failures }) => failures > 0) ? 'away' : 'slow';
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
    this.abandoned = true;
    for (const lane of this.lanes) if (lane.busySince !== null) lane.connection.drop();
    this.schedule();
    await this.flush();
    await Promise.all(this.lanes.map((lane) => lane.connection.close().catch(() => undefined)));
  }

  private isIdle(): boolean {
    return this.waiting.size === 0 && this.inFlight.size === 0;
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
      const returning = lane.forLarge ? [] : this.abandoned ? this.stuck.takeAll() : this.stuck.takeDue();
      if (lane.forLarge && this.rests()) continue;
      const since = this.timing.monotonic();
      const units = this.takeUnits(lane);
      if (units.length === 0 && returning.length === 0) continue;
      lane.busySince = this.timing.monotonic();
      // Its JSON was made just now, and leaves in this turn.
      if (lane.forLarge) this.settings.largeWork?.begun(since);
      void this.store(lane, units, returning)
        .catch((error: unknown) => this.giveUp([...units, ...returning], error))
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

  /** Whether a large unit has to wait for small work; looks again by itself. */
  private rests(): boolean {
    const rest = this.abandoned ? 0 : (this.settings.largeWork?.restMs() ?? 0);
    if (rest > 0 && !this.resting) {
      this.resting = true;
      this.timing.after(rest, () => {
        this.resting = false;
        this.schedule();
      });
    }
    return rest > 0;
  }

  private takeUnits({ forLarge }: Lane): PendingUnit[] {
    const units: PendingUnit[] = [];
    const ids = new Set<RunId>();
    const told = new Set<RunId>();
    const maxUnits = forLarge ? 1 : MAX_UNITS;
    let events = 0;
    let size = 0;
    /** A row is written once in a batch (D3): by its own unit, or because called runs end whose callers it is. */
    const add = (pending: PendingUnit): void => {
      const parentId = pending.tells?.parentId;
      if (parentId !== undefined && ids.has(parentId)) return void this.carried.push(pending);
      if (parentId !== undefined) told.add(parentId);
      ids.add(pending.unit.runId);
      units.push(pending);
      events += pending.events.length;
      for (const child of pending.children) events += child.events.length;
      size += pending.size;
    };
    const carried = this.carried;
    this.carried = [];
    for (const pending of carried) add(pending);
    for (const source of this.waiting) {
      if (units.length >= maxUnits || events >= MAX_EVENTS || size >= MAX_SIZE) break;
      // Its source stays announced and is taken once the unit in flight is settled, or the batch that tells it something.
      if (this.inFlight.has(source.runId) || told.has(source.runId)) continue;
      if (forLarge !== (source.characters ?? 0) >= LARGE_UNIT) continue;
      this.waiting.delete(source);
      const pending = this.takeUnit(source);
      if (pending === null) continue;
      this.inFlight.add(source.runId);
      add(pending);
    }
    return units;
  }

  private takeUnit(source: UnitSource): PendingUnit | null {
    let unit: Unit | null;
    try {
      unit = source.takeUnit();
    } catch (error) {
      this.settings.log.error({ err: error, runId: source.runId }, 'a run failed to say what it has to write');
      return null;
    }
    if (unit === null) return null;
    try {
      return pendingUnit(source, unit, this.settings.history.number);
    } catch (error) {
      // Whatever cannot even be turned into text can never be stored; only storability's own words may be shown.
      const reason = error instanceof NotStorable ? error.message : 'not representable as JSON';
      this.tell(source, unit, { kind: 'refused', reason }, null);
      return null;
    }
  }

  /** Stores a batch for good: returns when every unit of it is settled, or set aside because its row is locked by others. */
  private async store(lane: Lane, batch: PendingUnit[], returning: PendingUnit[]): Promise<void> {
    const parts = withoutRepeatedKeys(batch);
    if (returning.length > 0) parts.push(...(await this.unlocked(lane, returning)).flatMap(apartFromCallers));
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      if (part.length === 0) continue;
      if (this.abandoned) {
        for (const pending of part) this.settle(pending, { kind: 'lost' });
        continue;
      }
      try {
        await lane.connection.open();
      } catch (error) {
        await this.backOff(lane, error, 'the database cannot be reached; the writer keeps its units');
        parts.push(part);
        continue;
      }
      const units = this.withoutFormer(part);
      if (units.length > 0) parts.push(...(await this.attempt(lane, units)));
    }
  }

  /** Sends units once; returns what has to be sent again, in the parts it has to be sent in. */
  private async attempt(lane: Lane, units: PendingUnit[]): Promise<PendingUnit[][]> {
    // Outside of the net below: a fault here is a bug, and nothing was sent.
    const parameters = batchParameters(units);
    const sentAt = this.timing.monotonic();
    for (const pending of units) pending.sentAt = sentAt;
    this.counts.batches += 1;
    try {
      const answer = await lane.connection.write(parameters);
      const warning = lane.connection.lastWarning();
      if (warning !== null) {
        // Whatever the answer says, the commit itself came with a doubt (D9).
        for (const pending of units) pending.unsure = true;
        await this.backOff(lane, warning, 'a commit came with a warning');
        return await this.resolve(lane, units);
      }
      lane.failures = 0;
      this.settings.heard?.(answer.at);
      this.counts.commits += 1;
      if (lane.forLarge) this.settings.largeWork?.stored(this.timing.monotonic() - sentAt);
      for (const listener of this.batchListeners) listener(units.length, this.timing.monotonic() - sentAt);
      const passed = new Set(answer.passed);
      const denied = new Set(answer.denied);
      const unheard = new Set(answer.unheard);
      const missing: PendingUnit[] = [];
      units.forEach((pending, ordinal) => {
        if (denied.has(pending.unit.runId)) this.settle(pending, { kind: 'duplicate' });
        else if (pending.unit.create !== null || passed.has(ordinal)) {
          const at = Math.round(answer.late_at?.[ordinal] ?? answer.at);
          this.settle(pending, unheard.has(ordinal) ? { kind: 'committed', at, cancelUnread: true } : { kind: 'committed', at });
        } else missing.push(pending);
      });
      return missing.length === 0 ? [] : await this.resolve(lane, missing);
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === null || (condemnsConnection(state) && state !== '25006')) {
        for (const pending of units) pending.unsure = true;
        lane.connection.drop();
        await this.backOff(lane, error, 'the database connection broke while a batch was under way');
        return await this.resolve(lane, units);
      }
      if (state === LOCK_TIMEOUT) return await this.apart(lane, units, error);
      if (isTransient(state)) {
        if (condemnsConnection(state)) lane.connection.drop();
        await this.backOff(lane, error, 'a batch failed for a moment and is sent again');
        return [units];
      }
      return await this.isolate(lane, units, error, state);
    }
  }

  /** PostgreSQL refused the data of some unit: halves, until the culprit is alone (D7). Nothing of the batch was stored. */
  private async isolate(lane: Lane, units: PendingUnit[], error: unknown, state: string): Promise<PendingUnit[][]> {
    const [only] = units;
    if (units.length > 1) {
      const middle = units.length >> 1;
      return [units.slice(0, middle), units.slice(middle)];
    }
    if (only === undefined) return [];
    if (only.unsure && state === '23505') return await this.resolve(lane, [only]);
    this.settings.log.error({ err: error, runId: only.unit.runId, sqlState: state }, 'the database refused a unit');
    this.settle(only, { kind: 'refused', reason: `SQLSTATE ${state}` });
    return [];
  }

  /** Settles what is certain about the units; returns those to send again. Nobody is told anything before the database has answered (D9). */
  private async resolve(lane: Lane, units: PendingUnit[]): Promise<PendingUnit[][]> {
    for (;;) {
      if (this.abandoned) return [units];
      try {
        await lane.connection.open();
        units = this.withoutFormer(units);
        if (units.length === 0) return [];
        const again: PendingUnit[] = [];
        for (const [pending, fate] of await resolveFates(lane.connection, units)) {
          if (fate.kind === 'not_stored') again.push(pending);
          else this.settle(pending, fate);
        }
        return again.length === 0 ? [] : [again];
      } catch (error) {
        // Also rolls back: the transaction ends with its connection.
        lane.connection.drop();
        if (sqlStateOf(error) === LOCK_TIMEOUT) {
          // Sent again once its row is free: the fence, or the primary key, tells then what became of it.
          [units = []] = await this.unlocked(lane, units);
          if (units.length === 0) return [];
        }
        await this.backOff(lane, error, 'the outcome of a batch is still unknown');
      }
    }
  }

  /** A batch waited too long for a lock: its neighbours go on without the rows that are locked, or else in ever smaller parts. */
  private async apart(lane: Lane, units: PendingUnit[], error: unknown): Promise<PendingUnit[][]> {
    const again = units.some((pending) => pending.lockTimeouts > 0);
    for (const pending of units) pending.lockTimeouts += 1;
    this.settings.log.warn({ err: error, units: units.length }, 'a batch waited too long for a lock');
    const [free = []] = await this.unlocked(lane, units);
    if (free.length < units.length) return [free];
    if (!again) return [free];
    const middle = free.length >> 1;
    if (middle > 0) return [free.slice(0, middle), free.slice(middle)];
    this.stuck.add(free);
    return [];
  }

  /** The units that nobody's lock holds off, as parts to send; the others are set aside. All of them where that cannot be found out. */
  private async unlocked(lane: Lane, units: PendingUnit[]): Promise<PendingUnit[][]> {
    if (this.abandoned) return [units];
    try {
      await lane.connection.open();
      units = this.withoutFormer(units);
      const locked = await lockedOf(lane.connection, units);
      this.stuck.add(locked);
      return [units.filter((pending) => !locked.has(pending))];
    } catch (error) {
      lane.connection.drop();
      await this.backOff(lane, error, 'whose rows are locked cannot be found out');
      return [units];
    }
  }

  /** The units without those of a former history, which are lost: nothing of them may reach this one (D19). */
  private withoutFormer(units: PendingUnit[]): PendingUnit[] {
    const { number } = this.settings.history;
    return units.filter((pending) => {
      if (pending.history !== number) this.settle(pending, { kind: 'lost' });
      return pending.history === number;
    });
  }

  /** Another history began: what was decided on the former one, and not yet taken, is lost as well. */
  private loseWaiting(): void {
    for (const source of [...this.waiting]) {
      // One whose unit is under way has to wait for its outcome.
      if (this.inFlight.has(source.runId)) continue;
      this.waiting.delete(source);
      const pending = this.takeUnit(source);
      if (pending !== null) this.settle(pending, { kind: 'lost' });
    }
    this.schedule();
  }

  /** A bug of this file: the runs must hear something all the same. */
  private giveUp(units: readonly PendingUnit[], error: unknown): void {
    this.settings.log.error({ err: error, units: units.length }, 'the batch writer failed');
    for (const pending of units) if (!pending.settled) this.settle(pending, { kind: 'refused', reason: 'internal error of the writer' });
  }

  private settle(pending: PendingUnit, outcome: UnitOutcome): void {
    pending.settled = true;
    if (outcome.kind === 'committed') this.counts.units += 1;
    this.inFlight.delete(pending.unit.runId);
    this.tell(pending.source, pending.unit, outcome, pending.sentAt);
  }

  private tell(source: UnitSource, unit: Unit, outcome: UnitOutcome, sentAt: number | null): void {
    this.guard(unit, () => source.unitSettled(outcome));
    this.guard(unit, () => this.signals.settled(unit, outcome, sentAt));
  }

  /** One run's fault must neither keep the other runs of the batch from their outcome, nor those who wait for this one. */
  private guard(unit: Unit, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.settings.log.error({ err: error, runId: unit.runId }, 'a listener failed on the outcome of a unit');
    }
  }

  private async backOff(lane: Lane, error: unknown, message: string): Promise<void> {
    const ceiling = Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** Math.min(lane.failures, 10));
    lane.failures += 1;
    this.settings.log.warn({ err: error, failures: lane.failures }, message);
    await this.timing.sleep(ceiling * (0.5 + this.timing.random() / 2));
  }
}

/** Two creates of one idempotency key cannot be in one statement: the later ones go by themselves, and find the key taken (D31). */
function withoutRepeatedKeys(batch: PendingUnit[]): PendingUnit[][] {
  const parts: { readonly keys: Set<string>; readonly units: PendingUnit[] }[] = [{ keys: new Set(), units: [] }];
  for (const pending of batch) {
    const claim = pending.unit.create?.idempotency;
    if (!claim) {
      parts[0]!.units.push(pending);
      continue;
    }
    const key = `${pending.unit.tenantId}\n${claim.key}`;
    let part = parts.find(({ keys }) => !keys.has(key));
    if (!part) parts.push((part = { keys: new Set(), units: [] }));
    part.keys.add(key);
    part.units.push(pending);
  }
  // The last part goes first.
  return parts.map(({ units }) => units).reverse();
}
