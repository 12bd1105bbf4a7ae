import { type RunId, type Unit, type UnitOutcome, type UnitSource } from '../../engine/ports.js';
import { type CommitSignals } from '../commit-signals.js';
import { type DatabaseHistory } from '../connection/database-history.js';
import { type Log } from '../log.js';
import { type PendingUnit } from './pending-unit.js';

/** Units that were taken and have no outcome yet: at most one of each run (D3), and each is settled exactly once. */
export class UnitsUnderWay {
  /** Units that were committed so far. */
  committed = 0;
  private readonly runs = new Set<RunId>();

  constructor(
    private readonly signals: CommitSignals,
    private readonly history: DatabaseHistory,
    private readonly log: Log,
  ) {}

  get size(): number {
    return this.runs.size;
  }

  has(runId: RunId): boolean {
    return this.runs.has(runId);
  }

  add(runId: RunId): void {
    this.runs.add(runId);
  }

  settle(pending: PendingUnit, outcome: UnitOutcome): void {
    pending.settled = true;
    if (outcome.kind === 'committed') this.committed += 1;
    this.runs.delete(pending.unit.runId);
    this.tell(pending.source, pending.unit, outcome, pending.sentAt);
  }

  /** Refuses a unit that was never under way. */
  refuse(source: UnitSource, unit: Unit, reason: string): void {
    this.tell(source, unit, { kind: 'refused', reason }, null);
  }

  /** The units without those of a former history, which are lost: nothing of them may reach this one (D19). */
  withoutFormer(units: PendingUnit[]): PendingUnit[] {
    const { number } = this.history;
    return units.filter((pending) => {
      if (pending.history !== number) this.settle(pending, { kind: 'lost' });
      return pending.history === number;
    });
  }

  /** A bug of the writer: the runs must hear something all the same. */
  giveUp(units: readonly PendingUnit[], error: unknown): void {
    this.log.error({ err: error, units: units.length }, 'the batch writer failed');
    for (const pending of units) if (!pending.settled) this.settle(pending, { kind: 'refused', reason: 'internal error of the writer' });
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
      this.log.error({ err: error, runId: unit.runId }, 'a listener failed on the outcome of a unit');
    }
  }
}
