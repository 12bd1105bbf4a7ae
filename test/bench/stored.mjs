// Fills the database with finished executions, as if it had served them: rows, payloads and four events each, spread over the last quarter of an hour.
const BATCH = 50_000;
const SPREAD_MS = 900_000;
/** Ids are 41 bits of milliseconds since 2025, 10 of node number, 12 of counter; no node has this number. */
const ID = `((((extract(epoch FROM now()) * 1000)::bigint - 1735689600000 - ${SPREAD_MS} + n * ${SPREAD_MS} / $2) << 22) | (1022 << 12) | (n % 4096))`;

export async function fill(db, total, entry) {
  const since = performance.now();
  for (let from = 0; from < total; from += BATCH) {
    const range = [from, total, Math.min(total, from + BATCH) - 1];
    await db.query(
      `WITH fresh AS MATERIALIZED (SELECT n, ${ID} AS id FROM generate_series($1::bigint, $3::bigint) n),
       rows AS (
         INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest,
           parent_execution_id, metadata, status, progress, current_step, created_at, updated_at, ended_at, claim_no, last_seq)
         SELECT id, 'default', $4::bigint, $5, 'hello', '1.0.0', '1.0.0', 'latest', 'playbook', $6, 'exec_' || n, '{"triggered_by":"scheduler"}',
           CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'completed' END, 100, 'end', now() - ($2 - n) * interval '1 ms', now(), now(), 1, 4 FROM fresh),
       payloads AS (
         INSERT INTO execution_payload (execution_id, part, tenant_id, parameters, result)
         SELECT id, 0, 'default', '{"message":"Hello World"}', '{"message":"Hello World"}' FROM fresh)
       INSERT INTO execution_event (execution_id, seq, tenant_id, event_type, step, at, body)
       SELECT id, seq, 'default', type, step, now(), '{"stepType":"router","inputs":{"message":"Hello World"},"durationMs":0.1}'
       FROM fresh, (VALUES (1, 'execution_started', NULL), (2, 'step_completed', 'start'), (3, 'step_completed', 'end'), (4, 'execution_completed', NULL))
         AS e(seq, type, step)`,
      [...range.slice(0, 2), range[2], entry.id, entry.path, entry.digest],
    );
    console.error(`${Math.min(total, from + BATCH)} executions stored (${((performance.now() - since) / 1000).toFixed(0)} s) ...`);
  }
  await db.query('VACUUM ANALYZE execution');
  await db.query('ANALYZE');
  await db.query('CHECKPOINT');
}

const PAGES = ['limit=50', 'limit=50&status=failed', 'limit=50&path=bench/hello', 'limit=500'];

/** Latency of the pages a dashboard asks for, in milliseconds, by page; each client asks for another one at a time. */
export async function lists(url, clients, each = 400) {
  const latencies = new Map(PAGES.map((page) => [page, []]));
  const loop = async (_, client) => {
    for (let n = 0; n < each; n++) {
      const page = PAGES[(n + client) % PAGES.length];
      const since = performance.now();
      const answer = await fetch(`${url}/executions?${page}`);
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`the list answers ${answer.status}`);
      latencies.get(page).push(performance.now() - since);
    }
  };
  await Promise.all(Array.from({ length: clients }, loop));
  return [...latencies].map(([page, all]) => {
    all.sort((a, b) => a - b);
    return { page, p50: all[Math.floor(all.length / 2)], p99: all[Math.floor(all.length * 0.99)] };
  });
}
