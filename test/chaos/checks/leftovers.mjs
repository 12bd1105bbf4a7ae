import { CROSSED } from '../http.mjs';

const TERMINAL = new Set(['completed', 'failed', 'cancelled']);

/** (j) what is over holds nothing: no lease, no wake-up, no unread message, no lock. */
export async function checkLeftovers(facts) {
  for (const [id, { row }] of facts.executions) {
    if (!TERMINAL.has(row.status)) facts.violation('j', id, `still ${row.status}`, { row });
    if (row.lease_token !== null || row.lease_until !== null) facts.violation('j', id, `${row.status} and still leased`, { row });
    if (row.wake_at !== null) facts.violation('j', id, `${row.status} and still due`, { row });
    if (row.inbox_seq !== row.inbox_consumed) facts.violation('j', id, `${row.status} with unread messages`, { row });
  }
  const sessions = await facts.database.readPatiently(
    `SELECT pid, application_name, state, left(query, 200) AS query FROM pg_stat_activity
     WHERE application_name LIKE 'showrunner%' AND state LIKE 'idle in transaction%' AND state_change < now() - interval '10 seconds'`,
  );
  if (sessions.length > 0) facts.violation('j', null, 'sessions sit in a transaction', { sessions });
}

const MAX_RSS_MIB = 1_024;

/** (k) the processes: they end only when told to, answer 5xx only while something is wrong, and stay in bounds. */
export function checkProcesses(facts, nodes) {
  const refusals = {};
  for (const line of facts.history) {
    if (line.op === 'fault' || !(line.status >= 500)) continue;
    if (line.status !== 503)
      facts.violation('k', line.execution ?? null, `${line.op} was answered with ${line.status} ${line.code}`, { line });
    else {
      const calm = facts.faultsBetween(line.wall - 1_000, line.wall).length === 0;
      const name = `${line.code}${calm ? ' (no fault about)' : ''}`;
      refusals[name] = (refusals[name] ?? 0) + 1;
    }
  }
  facts.notes.refusals = refusals;
  for (const node of nodes) {
    for (const end of node.unexpectedEnds.splice(0)) {
      const mayBe = !end.wasReady && facts.faultsBetween(end.wall - 10_000, end.wall).length > 0;
      if (!mayBe) facts.violation('k', null, `node ${end.node} ended by itself (${end.code ?? end.signal})`, { end });
    }
    const alarms = node.alarms();
    if (alarms.length > 0) facts.violation('k', null, `node ${node.index} wrote an alarm`, { alarms: alarms.slice(0, 5) });
    if (node.peakRss > MAX_RSS_MIB) facts.violation('k', null, `node ${node.index} had ${node.peakRss} MiB`);
  }
  const faults = facts
    .lines('pause', 'fail')
    .concat(facts.lines('resume', 'fail'), facts.lines('signal', 'fail'), facts.lines('decide', 'fail'));
  for (const line of faults) {
    if (line.status !== undefined && line.status !== 503 && line.status !== 409) {
      facts.violation('g', line.execution, `a ${line.op} was answered with ${line.status} ${line.code}`, { line });
    }
  }
  checkDeploys(facts);
}

const STOPPED_WITHIN_MS = 25_000;
const RESET = /reset|hang up|EPIPE|half an answer/i;

/** A node that was told to stop, and that nothing else was done to: it ends well and in time, leaves no lease, and drops no request that it had accepted. */
function checkDeploys(facts) {
  facts.notes.deployResets = 0;
  facts.notes.deployCrossed = 0;
  // A start that was sent again elsewhere, and was new there, had taken no effect before.
  const newLater = new Set(facts.history.filter(({ phase, replayed }) => phase === 'ok' && replayed === false).map(({ id }) => id));
  const stored = new Set([...facts.executions.values()].map(({ row }) => row.op).filter((op) => !newLater.has(op)));
  for (const window of facts.windows) {
    const { name, exit, tookMs, wall, endedAt, leasesLeft, node } = window;
    if (name !== 'deploy' || exit === null || exit === undefined) continue;
    const others = facts.faultsBetween(wall, endedAt).filter((other) => other !== window && other.name !== 'deploy');
    if (others.length > 0) continue;
    if (exit !== 0) facts.violation('k', null, `a node that was told to stop ended with ${exit} after ${tookMs} ms`, { window });
    if (tookMs > STOPPED_WITHIN_MS) facts.violation('k', null, `a node that was told to stop took ${tookMs} ms`, { window });
    if (leasesLeft > 0) facts.violation('k', null, `a node that was told to stop left ${leasesLeft} leases`, { window });
    const lost = facts.history.filter(
      (line) =>
        line.phase === 'unknown' && line.node === node && RESET.test(line.why ?? '') && line.wall >= wall && line.wall <= endedAt + 500,
    );
    // One that only crossed the closing of an idle connection was not accepted, unless it took effect.
    const resets = lost.filter(({ why, op, id }) => !why.startsWith(CROSSED) || (op === 'start' && stored.has(id)));
    facts.notes.deployCrossed += lost.length - resets.length;
    facts.notes.deployResets += resets.length;
    if (resets.length > 0)
      facts.violation('k', resets[0].execution ?? null, `${resets.length} requests were cut off by a node that was told to stop`, {
        window,
        resets: resets.slice(0, 5),
      });
  }
}
