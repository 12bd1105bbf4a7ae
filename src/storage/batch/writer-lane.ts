import { apartFromCallers, withoutRepeatedKeys } from './batch-parts.js';
import { type BatchAnswer, batchParameters } from './batch-statement.js';
import { type LargeWork } from './large-work.js';
import { type Log } from '../log.js';
import { resolveFates } from './outcome-unknown.js';
import { type Connection } from '../connection/own-connection.js';
import { type PendingUnit } from './pending-unit.js';
import { condemnsConnection, isTransient, sqlStateOf } from '../connection/sql-state.js';
import { lockedOf, type StuckUnits } from './stuck-units.js';
import { type Timing } from '../timing.js';
import { type UnitsUnderWay } from './units-under-way.js';
import { type WriterConnection } from './writer-connection.js';

/** SQLSTATE lock_not_available. */
const LOCK_TIMEOUT = '55P03';
const FIRST_BACK_OFF_MS = 20;
const LONGEST_BACK_OFF_MS = 1_000;

export type LaneConnection = Connection & Pick<WriterConnection, 'write'>;

/** What the lanes of a writer share. */
export interface LaneContext {
  readonly underWay: UnitsUnderWay;
  readonly stuck: StuckUnits;
  readonly log: Log;
  readonly timing: Timing;
  readonly largeWork: LargeWork | undefined;
  /** Told the database's time whenever an answer has just brought it; epoch milliseconds. */
  readonly heard: ((databaseMs: number) => void) | undefined;
  /** Told of every batch that committed: its units, and the milliseconds from sending it. */
  readonly committed: (units: number, ms: number) => void;
  /** Aborted where nothing is to be tried any more: what is not stored by then is lost. */
  readonly abandoned: AbortSignal;
}

/** One connection of the writer, and the batch on its way there: sent, and sent again, until every unit of it has its outcome (D7-D9). */
export class WriterLane {
  /** Batches sent, and those that committed. */
  readonly counts = { batches: 0, commits: 0 };
  /** Monotonic time at which its batch left; null where it is idle. The writer's to set. */
  busySince: number | null = null;
  /** Runs that it writes, called ones included. The writer's to set. */
  runs = 0;
  /** How often it failed since its last success. */
  private failures = 0;

  /** @param forLarge carries large units, one at a time, and nothing else */
  constructor(
    readonly connection: LaneConnection,
    readonly forLarge: boolean,
    private readonly context: LaneContext,
  ) {}

  get isFailing(): boolean {
    return this.failures > 0;
  }

  /**
   * Stores a batch for good: returns when every unit of it is settled, or set aside because its row is locked by others.
   * @param returning units that were set aside before
   */
  async store(batch: PendingUnit[], returning: PendingUnit[]): Promise<void> {
    const { underWay, abandoned } = this.context;
    const parts = withoutRepeatedKeys(batch);
    if (returning.length > 0) parts.push(...(await this.unlocked(returning)).flatMap(apartFromCallers));
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      if (part.length === 0) continue;
      if (abandoned.aborted) {
        for (const pending of part) underWay.settle(pending, { kind: 'lost' });
        continue;
      }
      try {
        await this.connection.open();
      } catch (error) {
        await this.backOff(error, 'the database cannot be reached; the writer keeps its units');
        parts.push(part);
        continue;
      }
      const units = underWay.withoutFormer(part);
      if (units.length > 0) parts.push(...(await this.attempt(units)));
    }
  }

  /** Sends units once; returns what has to be sent again, in the parts it has to be sent in. */
  private async attempt(units: PendingUnit[]): Promise<PendingUnit[][]> {
    const { timing, heard, largeWork, committed } = this.context;
    // Outside of the net below: a fault here is a bug, and nothing was sent.
    const parameters = batchParameters(units);
    const sentAt = timing.monotonic();
    for (const pending of units) pending.sentAt = sentAt;
    this.counts.batches += 1;
    try {
      const answer = await this.connection.write(parameters);
      const warning = this.connection.lastWarning();
      if (warning !== null) {
        // Whatever the answer says, the commit itself came with a doubt (D9).
        for (const pending of units) pending.unsure = true;
        await this.backOff(warning, 'a commit came with a warning');
        return await this.resolve(units);
      }
      this.failures = 0;
      heard?.(answer.at);
      this.counts.commits += 1;
      if (this.forLarge) largeWork?.stored(timing.monotonic() - sentAt);
      committed(units.length, timing.monotonic() - sentAt);
      const missing = this.settleAnswered(units, answer);
      return missing.length === 0 ? [] : await this.resolve(missing);
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === null || (condemnsConnection(state) && state !== '25006')) {
        for (const pending of units) pending.unsure = true;
        this.connection.drop();
        await this.backOff(error, 'the database connection broke while a batch was under way');
        return await this.resolve(units);
      }
      if (state === LOCK_TIMEOUT) return await this.apart(units, error);
      if (isTransient(state)) {
        if (condemnsConnection(state)) this.connection.drop();
        await this.backOff(error, 'a batch failed for a moment and is sent again');
        return [units];
      }
      return await this.isolate(units, error, state);
    }
  }

  /** Settles the units of a batch that committed; returns those that a fence held off. */
  private settleAnswered(units: readonly PendingUnit[], answer: BatchAnswer): PendingUnit[] {
    const { underWay } = this.context;
    const passed = new Set(answer.passed);
    const denied = new Set(answer.denied);
    const unheard = new Set(answer.unheard);
    const missing: PendingUnit[] = [];
    units.forEach((pending, ordinal) => {
      if (denied.has(pending.unit.runId)) underWay.settle(pending, { kind: 'duplicate' });
      else if (pending.unit.create !== null || passed.has(ordinal)) {
        const at = Math.round(answer.late_at?.[ordinal] ?? answer.at);
        underWay.settle(pending, unheard.has(ordinal) ? { kind: 'committed', at, cancelUnread: true } : { kind: 'committed', at });
      } else missing.push(pending);
    });
    return missing;
  }

  /** PostgreSQL refused the data of some unit: halves, until the culprit is alone (D7). Nothing of the batch was stored. */
  private async isolate(units: PendingUnit[], error: unknown, state: string): Promise<PendingUnit[][]> {
    const [only] = units;
    if (units.length > 1) {
      const middle = units.length >> 1;
      return [units.slice(0, middle), units.slice(middle)];
    }
    if (only === undefined) return [];
    if (only.unsure && state === '23505') return await this.resolve([only]);
    this.context.log.error({ err: error, runId: only.unit.runId, sqlState: state }, 'the database refused a unit');
    this.context.underWay.settle(only, { kind: 'refused', reason: `SQLSTATE ${state}` });
    return [];
  }

  /** Settles what is certain about the units; returns those to send again. Nobody is told anything before the database has answered (D9). */
  private async resolve(units: PendingUnit[]): Promise<PendingUnit[][]> {
    const { underWay, abandoned } = this.context;
    for (;;) {
      if (abandoned.aborted) return [units];
      try {
        await this.connection.open();
        units = underWay.withoutFormer(units);
        if (units.length === 0) return [];
        const again: PendingUnit[] = [];
        for (const [pending, fate] of await resolveFates(this.connection, units)) {
          if (fate.kind === 'not_stored') again.push(pending);
          else underWay.settle(pending, fate);
        }
        return again.length === 0 ? [] : [again];
      } catch (error) {
        // Also rolls back: the transaction ends with its connection.
        this.connection.drop();
        if (sqlStateOf(error) === LOCK_TIMEOUT) {
          // Sent again once its row is free: the fence, or the primary key, tells then what became of it.
          [units = []] = await this.unlocked(units);
          if (units.length === 0) return [];
        }
        await this.backOff(error, 'the outcome of a batch is still unknown');
      }
    }
  }

  /** A batch waited too long for a lock: its neighbours go on without the rows that are locked, or else in ever smaller parts. */
  private async apart(units: PendingUnit[], error: unknown): Promise<PendingUnit[][]> {
    const again = units.some((pending) => pending.lockTimeouts > 0);
    for (const pending of units) pending.lockTimeouts += 1;
    this.context.log.warn({ err: error, units: units.length }, 'a batch waited too long for a lock');
    const [free = []] = await this.unlocked(units);
    if (free.length < units.length) return [free];
    if (!again) return [free];
    const middle = free.length >> 1;
    if (middle > 0) return [free.slice(0, middle), free.slice(middle)];
    this.context.stuck.add(free);
    return [];
  }

  /** The units that nobody's lock holds off, as parts to send; the others are set aside. All of them where that cannot be found out. */
  private async unlocked(units: PendingUnit[]): Promise<PendingUnit[][]> {
    const { underWay, stuck, abandoned } = this.context;
    if (abandoned.aborted) return [units];
    try {
      await this.connection.open();
      units = underWay.withoutFormer(units);
      const locked = await lockedOf(this.connection, units);
      stuck.add(locked);
      return [units.filter((pending) => !locked.has(pending))];
    } catch (error) {
      this.connection.drop();
      await this.backOff(error, 'whose rows are locked cannot be found out');
      return [units];
    }
  }

  private async backOff(error: unknown, message: string): Promise<void> {
    const { log, timing } = this.context;
    const ceiling = Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** Math.min(this.failures, 10));
    this.failures += 1;
    log.warn({ err: error, failures: this.failures }, message);
    await timing.sleep(ceiling * (0.5 + timing.random() / 2));
  }
}
