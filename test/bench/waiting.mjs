// W6: executions that wait. What they cost the process while they wait, and how late they fire, by the database's clock.
import { residentMiB } from './machine.mjs';

const WAIT_S = 40;

export async function waiting(url, pid, db, count) {
  const body = JSON.stringify({ path: 'bench/waits', parameters: { seconds: WAIT_S } });
  const start = async () => {
    const answer = await fetch(`${url}/execute`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    await answer.arrayBuffer();
    if (answer.status !== 202) throw new Error(`a start answers ${answer.status}`);
  };
  const held = async () =>
    Number((await db.query(`SELECT count(*) AS n FROM execution WHERE path = 'bench/waits' AND lease_token IS NOT NULL`)).rows[0].n);
  const open = async () =>
    Number((await db.query(`SELECT count(*) AS n FROM execution WHERE path = 'bench/waits' AND ended_at IS NULL`)).rows[0].n);
  const settle = () => new Promise((done) => setTimeout(done, 3_000));
  await settle();
  const before = residentMiB(pid);
  const since = performance.now();
  for (let started = 0; started < count; started += 100) await Promise.all(Array.from({ length: Math.min(100, count - started) }, start));
  const starting = (performance.now() - since) / 1000;
  await settle();
  const [during, stillHeld] = [residentMiB(pid), await held()];
  while ((await open()) > 0) await new Promise((done) => setTimeout(done, 500));
  const after = residentMiB(pid);
  const { rows } = await db.query(
    `SELECT min(late) AS min, percentile_cont(0.5) WITHIN GROUP (ORDER BY late) AS p50, percentile_cont(0.99) WITHIN GROUP (ORDER BY late) AS p99, max(late) AS max
     FROM (SELECT extract(epoch FROM w.at) * 1000 - (s.body ->> 'dueAt')::float8 AS late
           FROM execution_event s JOIN execution_event w ON w.execution_id = s.execution_id AND w.event_type = 'step_woken'
           WHERE s.event_type = 'step_waiting') waits`,
  );
  const late = Object.fromEntries(Object.entries(rows[0]).map(([name, value]) => [name, `${Number(value).toFixed(0)} ms`]));
  console.log(
    `\nW6: ${count} executions waited ${WAIT_S} s. Started in ${starting.toFixed(1)} s. RSS MiB before ${before.toFixed(0)}, while they wait ` +
      `${during.toFixed(0)}, after ${after.toFixed(0)}; held by a lease while they wait: ${stillHeld}. Late: at least ${late.min}, p50 ${late.p50}, p99 ${late.p99}, at most ${late.max}.`,
  );
}
