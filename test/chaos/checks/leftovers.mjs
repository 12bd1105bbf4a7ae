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
  const faults = facts.lines('pause', 'fail').concat(facts.lines('resume', 'fail'), facts.lines('signal', 'fail'));
  for (const line of faults) {
    if (line.status !== undefined && line.status !== 503 && line.status !== 409) {
      facts.violation('g', line.execution, `a ${line.op} was answered with ${line.status} ${line.code}`, { line });
    }
  }
  for (const window of facts.windows) {
    if (window.name !== 'deploy') continue;
    const others = facts.faultsBetween(window.wall, window.until).filter((other) => other !== window && other.name !== 'deploy');
    if (others.length === 0 && window.exit !== 0 && window.exit !== null && window.exit !== undefined) {
      facts.violation('k', null, `a node that was told to stop ended with ${window.exit} after ${window.tookMs} ms`, { window });
    }
  }
}
