import { type RunId, type Unit, type UnitSource } from '../../engine/ports.js';
import { type DatabaseHistory } from '../connection/database-history.js';
import { type Log } from '../log.js';
import { type PendingUnit, pendingUnit } from './pending-unit.js';
import { NotStorable } from '../history/storability.js';
import { type UnitsUnderWay } from './units-under-way.js';

const MAX_UNITS = 500;
const MAX_EVENTS = 4_000;
/** Units of so many characters are large: each travels alone, on a connection that has no others, so that neighbours do not wait for them. */
const LARGE_UNIT = 1024 * 1024;
/** Characters of JSON after which a batch takes no further unit: nobody waits long for those who came before. */
const MAX_SIZE = LARGE_UNIT;

/** Who has something to write, and the batches that are made of it: nothing is taken before there is a connection for it (D4). */
export class AnnouncedUnits {
  private readonly sources = new Set<UnitSource>();
  /** Taken, but not for the batch of then: the run that hears of their end had a unit in it. They go first in the next. */
  private carried: PendingUnit[] = [];
  /** Taken among small ones, and found to be large: their sources did not know. They wait for the connection of such. */
  private readonly foundLarge: PendingUnit[] = [];
  /** The batch that was made last is empty, since what was taken for it is large: others may be waiting still. */
  foundOnlyLarge = false;

  constructor(
    private readonly underWay: UnitsUnderWay,
    private readonly history: DatabaseHistory,
    private readonly log: Log,
  ) {}

  /** Sources of which nothing was taken yet. */
  get size(): number {
    return this.sources.size;
  }

  add(source: UnitSource): void {
    this.sources.add(source);
  }

  /** A batch, which is under way from then on: one large unit, or as many others as fit. */
  takeBatch(forLarge: boolean): PendingUnit[] {
    this.foundOnlyLarge = false;
    const found = forLarge ? this.foundLarge.shift() : undefined;
    if (found) return [found];
    const units: PendingUnit[] = [];
    const ids = new Set<RunId>();
    const told = new Set<RunId>();
    const maxUnits = forLarge ? 1 : MAX_UNITS;
    let events = 0;
    /** Of all that is made text in this turn. */
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
    };
    const carried = this.carried;
    this.carried = [];
    for (const pending of carried) {
      size += pending.size;
      add(pending);
    }
    for (const source of this.sources) {
      if (units.length >= maxUnits || events >= MAX_EVENTS || size >= MAX_SIZE) break;
      // Its source stays announced and is taken once the unit in flight is settled, or the batch that tells it something.
      if (this.underWay.has(source.runId) || told.has(source.runId)) continue;
      if (forLarge !== (source.characters ?? 0) >= LARGE_UNIT) continue;
      this.sources.delete(source);
      const pending = this.takeUnit(source);
      if (pending === null) continue;
      this.underWay.add(source.runId);
      size += pending.size;
      if (!forLarge && pending.size >= LARGE_UNIT) this.foundLarge.push(pending);
      else add(pending);
    }
    this.foundOnlyLarge = units.length === 0 && size > 0;
    return units;
  }

  /** Another history began: what was decided on the former one, and not yet taken, is lost as well (D19). */
  loseAll(): void {
    for (const source of [...this.sources]) {
      // One whose unit is under way has to wait for its outcome.
      if (this.underWay.has(source.runId)) continue;
      this.sources.delete(source);
      const pending = this.takeUnit(source);
      if (pending !== null) this.underWay.settle(pending, { kind: 'lost' });
    }
  }

  private takeUnit(source: UnitSource): PendingUnit | null {
    let unit: Unit | null;
    try {
      unit = source.takeUnit();
    } catch (error) {
      this.log.error({ err: error, runId: source.runId }, 'a run failed to say what it has to write');
      return null;
    }
    if (unit === null) return null;
    try {
      return pendingUnit(source, unit, this.history.number);
    } catch (error) {
      // Whatever cannot even be turned into text can never be stored; only storability's own words may be shown.
      this.underWay.refuse(source, unit, error instanceof NotStorable ? error.message : 'not representable as JSON');
      return null;
    }
  }
}
