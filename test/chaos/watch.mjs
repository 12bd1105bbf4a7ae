import { setTimeout as sleep } from 'node:timers/promises';

const STUCK_AFTER_MS = 60_000;
const QUIESCE_WITHIN_MS = 300_000;

/** Follows the database while a round goes on, and knows when nothing moves any more. */
export class Watch {
  open = 0;
  #label;
  #database;
  #stopped = false;
  #loop;
  #last = '';
  #movedAt = performance.now();

  constructor(database, label, onSample) {
    this.#database = database;
    this.#label = label;
    this.#loop = this.#follow(onSample);
  }

  async #follow(onSample) {
    while (!this.#stopped) {
      await this.#sample().catch(() => undefined);
      onSample(this);
      await sleep(500);
    }
  }

  async #sample() {
    const [row] = await this.#database.read(
      `SELECT count(*) FILTER (WHERE status NOT IN ('completed', 'failed', 'cancelled'))::int AS open, count(*)::int AS total, sum(last_seq)::text AS seqs,
         max(claim_no) AS claims FROM execution WHERE path LIKE $1`,
      [`chaos/${this.#label}/%`],
    );
    this.open = row.open;
    this.total = row.total;
    const now = JSON.stringify(row);
    if (now !== this.#last) this.#movedAt = performance.now();
    this.#last = now;
  }

  /** Resolves with null once every execution has ended, else with what does not move: its rows, and what the sessions do. */
  async quiesced(leaseMs, settleByHand) {
    const since = performance.now();
    this.#movedAt = since;
    for (;;) {
      await this.#sample().catch(() => undefined);
      if (this.open === 0) return null;
      for (const execution of await this.#needy()) await settleByHand(execution);
      const orphans = performance.now() - since > 3 * leaseMs + 5_000 ? await this.#orphans(leaseMs) : [];
      if (orphans.length > 0)
        return await this.#dump(`expired leases are not taken over: ${orphans.map(({ id }) => id).join(', ')}`, orphans[0].id);
      if (performance.now() - this.#movedAt > STUCK_AFTER_MS) return await this.#dump('nothing has moved for 60 s', null);
      if (performance.now() - since > QUIESCE_WITHIN_MS) return await this.#dump('not everything has ended within 5 minutes', null);
      await sleep(500);
    }
  }

  /** Open executions that wait for a signal or an approval, or are paused. */
  async #needy() {
    return await this.#database
      .read(
        `SELECT e.id::text, CASE WHEN e.waiting_for->>'kind' = 'signal' THEN e.waiting_for->>'name' END AS waits_for, (p.parameters->>'n')::int AS n,
           coalesce(e.waiting_for->>'kind' = 'approval', false) AS asks, e.pause_requested_at IS NOT NULL AS paused
         FROM execution e JOIN execution_payload p ON p.execution_id = e.id AND p.part = 0
         WHERE e.path LIKE $1 AND e.status NOT IN ('completed', 'failed', 'cancelled')
           AND (e.waiting_for->>'kind' IN ('signal', 'approval') OR e.pause_requested_at IS NOT NULL) ORDER BY e.id LIMIT 200`,
        [`chaos/${this.#label}/%`],
      )
      .catch(() => []);
  }

  /** (C6) Rows that any node should have taken over by now. */
  async #orphans(leaseMs) {
    return await this.#database
      .read(
        `SELECT id::text FROM execution WHERE path LIKE $1 AND lease_token IS NOT NULL AND lease_until < clock_timestamp() - $2 * interval '1 millisecond'
           AND attempts < 1 ORDER BY id LIMIT 20`,
        [`chaos/${this.#label}/%`, leaseMs + 8_000],
      )
      .catch(() => []);
  }

  async #dump(message, execution) {
    const rows = await this.#database.readPatiently(
      `SELECT *, clock_timestamp() AS now FROM execution WHERE path LIKE $1 AND status NOT IN ('completed', 'failed', 'cancelled') ORDER BY id LIMIT 20`,
      [`chaos/${this.#label}/%`],
    );
    const sessions = await this.#database.readPatiently(
      `SELECT pid, application_name, state, wait_event_type, wait_event, state_change, left(query, 200) AS query FROM pg_stat_activity WHERE datname IS NOT NULL`,
    );
    return { message, execution: execution ?? rows[0]?.id ?? null, rows, sessions };
  }

  async stop() {
    this.#stopped = true;
    await this.#loop;
  }
}
