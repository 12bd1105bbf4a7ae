const AUDIT_AFTER_MS = 15_000;
const AUDIT_AGAIN_MS = 5_000;
const ENDED = new Set(['completed', 'failed', 'cancelled']);
const KEPT_VIOLATIONS = 50;

/** Every accepted execution, until the database has shown that it ended as it should; and what was wrong. */
export class Ledger {
  accepted = 0;
  ended = { completed: 0, failed: 0, cancelled: 0 };
  /** The first of them; `broken` counts all. */
  violations = [];
  broken = 0;
  #open = new Map();

  accept(id, end) {
    this.accepted += 1;
    this.#open.set(id, { end, dueAt: performance.now() + AUDIT_AFTER_MS });
  }

  get unaudited() {
    return this.#open.size;
  }

  violate(kind, message) {
    this.broken += 1;
    if (this.violations.length < KEPT_VIOLATIONS) this.violations.push({ kind, message });
  }

  /**
   * Looks accepted executions up well before retention may remove them.
   * @param db a session of the database
   * @param {boolean} all whether also those that were accepted just now
   */
  async audit(db, all = false) {
    const now = performance.now();
    const due = [];
    for (const [id, { dueAt }] of this.#open) if (all || dueAt <= now) due.push(id);
    if (due.length === 0) return;
    const { rows } = await db.query('SELECT id::text, status FROM execution WHERE id = ANY($1::bigint[])', [due]);
    const statusOf = new Map(rows.map(({ id, status }) => [id, status]));
    for (const id of due) this.#settle(id, statusOf.get(id), now);
  }

  #settle(id, status, now) {
    const entry = this.#open.get(id);
    if (status !== undefined && !ENDED.has(status)) return void (entry.dueAt = now + AUDIT_AGAIN_MS);
    this.#open.delete(id);
    if (status === undefined) return this.violate('lost', `execution ${id} was accepted and is not there`);
    this.ended[status] += 1;
    if (status !== entry.end) this.violate('end', `execution ${id} is ${status}, not ${entry.end}`);
  }
}
