import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const LOOK_EVERY_MS = 50;

/**
 * Sees who holds what, by the ends of the lease tokens (holder.mjs), and how long it takes until what a process left behind has another holder.
 * Times are until it was seen, so a look's distance too long rather than too short.
 */
export class Claims {
  /** Milliseconds from the end of a killed process until each execution that it held was claimed again. */
  afterCrash = [];
  /** Milliseconds from when a node that was told to stop let go of an execution that is due until it was claimed again. */
  afterStop = [];
  #database;
  #client = null;
  #followed = new Map();
  #stopped = false;
  #loop;

  constructor(database) {
    this.#database = database;
    this.#loop = this.#follow();
  }

  /** What a process holds now. @returns {Promise<{ id: string, claim: number }[]>} nothing while the database is away */
  async heldBy(holder) {
    return await this.#database
      .read(`SELECT id::text, claim_no AS claim FROM execution WHERE lease_token IS NOT NULL AND right(lease_token::text, 5) = $1`, [
        holder,
      ])
      .catch(() => []);
  }

  /** @returns {Promise<number>} how many of them have been claimed again since */
  async movedOn(held) {
    const rows = await this.#read(held.map(({ id }) => id)).catch(() => []);
    const now = new Map(rows.map((row) => [row.id, row]));
    return held.filter(({ id, claim }) => now.get(id)?.claim > claim).length;
  }

  /** The process has just been killed. */
  async followCrash(holder) {
    const since = performance.now();
    for (const { id, claim } of await this.heldBy(holder)) this.#followed.set(id, { claim, since, holder, times: this.afterCrash });
  }

  /** The process is about to be told to stop. */
  async followStop(holder) {
    for (const { id, claim } of await this.heldBy(holder))
      this.#followed.set(id, { claim, since: performance.now(), holder, times: this.afterStop });
  }

  async #follow() {
    while (!this.#stopped) {
      await sleep(LOOK_EVERY_MS);
      if (this.#followed.size > 0) await this.#look().catch(() => (this.#client = null));
    }
  }

  async #look() {
    const asked = performance.now();
    for (const row of await this.#read([...this.#followed.keys()])) {
      const followed = this.#followed.get(row.id);
      if (followed === undefined) continue;
      const { claim, holder, times } = followed;
      const isOfStop = times === this.afterStop;
      if (row.claim > claim) times.push(performance.now() - followed.since);
      // It let go of it in order, and nothing is to be done now: nobody has to claim it.
      else if (isOfStop && row.holder === holder) followed.since = asked;
      else if (row.holder === null && !(isOfStop && row.due)) this.#followed.delete(row.id);
      if (row.claim > claim) this.#followed.delete(row.id);
    }
  }

  async #read(ids) {
    if (this.#client === null) {
      const client = new pg.Client({
        connectionString: this.#database.url,
        application_name: 'chaos-claims',
        connectionTimeoutMillis: 3_000,
        query_timeout: 10_000,
        options: '-c default_transaction_read_only=on',
      });
      client.on('error', () => (this.#client = null));
      await client.connect();
      this.#client = client;
    }
    const { rows } = await this.#client.query(
      `SELECT id::text, claim_no AS claim, right(lease_token::text, 5) AS holder,
         status NOT IN ('completed', 'failed', 'cancelled') AND wake_at IS NOT NULL AND wake_at <= clock_timestamp() AS due
       FROM execution WHERE id = ANY($1::bigint[])`,
      [ids],
    );
    return rows;
  }

  async stop() {
    this.#stopped = true;
    await this.#loop;
    await this.#client?.end().catch(() => undefined);
  }
}
