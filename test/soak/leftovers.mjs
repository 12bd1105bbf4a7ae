/** Retention looks every ten minutes; so long after its time an execution may still be there. */
const ROUND_S = 600;
const SLACK_S = 120;
const PARTS = ['execution_event', 'execution_payload', 'execution_blob', 'execution_inbox', 'execution_snapshot'];

/**
 * What the database holds once everything has ended: nothing open, nothing kept longer than told, no part of an execution that is gone, not more
 * executions than were asked for.
 * @returns {Promise<string>} the figures
 */
export async function checkLeftovers({ db, ledger, keptS, unknown }) {
  const one = async (text, values = []) => Number((await db.query(text, values)).rows[0].n);
  const present = await one('SELECT count(*) AS n FROM execution');
  const open = await one('SELECT count(*) AS n FROM execution WHERE ended_at IS NULL');
  if (open > 0) ledger.violate('open', `${open} executions have not ended`);
  const leased = await one('SELECT count(*) AS n FROM execution WHERE lease_token IS NOT NULL OR wake_at IS NOT NULL');
  if (leased > 0) ledger.violate('leases', `${leased} executions have a lease or a wake-up although all have ended`);
  const overdue = await one(`SELECT count(*) AS n FROM execution WHERE ended_at < clock_timestamp() - $1 * interval '1 second'`, [
    keptS + ROUND_S + SLACK_S,
  ]);
  if (overdue > 0) ledger.violate('kept', `${overdue} executions are kept although they ended ${keptS + ROUND_S + SLACK_S} s ago`);
  for (const table of PARTS) {
    const orphans = await one(
      `SELECT count(*) AS n FROM ${table} p WHERE NOT EXISTS (SELECT FROM execution e WHERE e.id = p.execution_id)`,
    );
    if (orphans > 0) ledger.violate('orphans', `${orphans} rows of ${table} belong to executions that are gone`);
  }
  if (present > ledger.accepted + unknown) ledger.violate('more', `${present} executions are there, ${ledger.accepted} were accepted`);
  const { rows: partitions } = await db.query(
    `SELECT inhrelid::regclass::text AS name, pg_total_relation_size(inhrelid)::float8 AS bytes FROM pg_inherits ORDER BY 1`,
  );
  const filled = partitions.filter(({ bytes }) => bytes > 65_536).map(({ name, bytes }) => `${name} ${(bytes / 1_048_576).toFixed(0)} MiB`);
  return `${present} executions are there, ${ledger.accepted - present} were removed; ${partitions.length} partitions, filled: ${filled.join(', ')}`;
}
