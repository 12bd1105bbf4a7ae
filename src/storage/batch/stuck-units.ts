import { plainArray } from './array-parameters.js';
import { type Connection } from '../connection/own-connection.js';
import { type PendingUnit } from './pending-unit.js';
import { type Timing } from '../timing.js';

const LOOK_EVERY_MS = 250;

/** Ids of rows that another transaction keeps locked; never waits for a row itself. */
const LOCKED = `
  WITH free AS MATERIALIZED (SELECT id FROM execution WHERE id = ANY($1::bigint[]) FOR NO KEY UPDATE SKIP LOCKED)
  SELECT id FROM execution WHERE id = ANY($1::bigint[]) AND id NOT IN (SELECT id FROM free)`;

/** Which of the units cannot be written now because somebody holds their rows, or those of the runs that hear of their ends. */
export async function lockedOf(connection: Connection, units: readonly PendingUnit[]): Promise<Set<PendingUnit>> {
  const rows = await connection.query<{ id: string }>({ text: LOCKED, values: [plainArray(units.flatMap(rowsOf))] });
  const ids = new Set(rows.map((row) => row.id));
  return new Set(units.filter((p) => rowsOf(p).some((id) => ids.has(id))));
}

const rowsOf = ({ unit, tells }: PendingUnit): string[] => (tells === null ? [unit.runId] : [unit.runId, tells.parentId]);

/** Units whose rows others keep locked wait here, where they delay nobody, and are looked at again four times a second. */
export class StuckUnits {
  private readonly units = new Set<PendingUnit>();
  private stopTimer: (() => void) | null = null;
  private isDue = false;

  /** @param due called when it is time to take them and look */
  constructor(
    private readonly timing: Pick<Timing, 'after'>,
    private readonly due: () => void,
  ) {}

  add(units: Iterable<PendingUnit>): void {
    for (const pending of units) this.units.add(pending);
    if (this.units.size === 0 || this.stopTimer !== null) return;
    this.stopTimer = this.timing.after(LOOK_EVERY_MS, () => {
      this.stopTimer = null;
      this.isDue = true;
      this.due();
    });
  }

  /** Those to look at now: all or none. */
  takeDue(): PendingUnit[] {
    return this.isDue ? this.takeAll() : [];
  }

  takeAll(): PendingUnit[] {
    this.stopTimer?.();
    this.stopTimer = null;
    this.isDue = false;
    const taken = [...this.units].filter((pending) => !pending.settled);
    this.units.clear();
    return taken;
  }
}
