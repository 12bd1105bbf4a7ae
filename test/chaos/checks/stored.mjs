/** (a) every acknowledged execution exists; (d) one key, one execution, with the body that was sent; a start of unknown outcome happened at most once. */
export function checkStored(facts) {
  const starts = new Map();
  for (const line of facts.history) {
    if (line.op !== 'start') continue;
    const start = starts.get(line.id) ?? { ...line, ids: new Set(), rows: [] };
    starts.set(line.id, start);
    if (line.phase === 'ok') start.ids.add(line.execution);
    if (line.phase === 'fail' && line.status < 500)
      facts.violation('d', null, `a valid start was refused with ${line.status} ${line.code}`, { line });
  }
  for (const { row } of facts.executions.values()) {
    if (row.parent !== null) continue; // called by another: children.mjs
    const start = starts.get(row.op);
    if (start === undefined) facts.violation('d', row.id, `execution ${row.id} belongs to no start that was sent (${row.op})`);
    else start.rows.push(row);
  }
  for (const { id, ids, rows, key, n, size, path, version } of starts.values()) {
    for (const execution of ids)
      if (!facts.executions.has(execution))
        facts.violation('a', execution, `acknowledged execution ${execution} does not exist`, { start: id });
    if (ids.size > 1)
      facts.violation('d', [...ids][0], `one start with key ${key} was answered with ${ids.size} executions`, { ids: [...ids] });
    if (rows.length > 1 && key !== null)
      facts.violation('d', rows[0].id, `one start with key ${key} made ${rows.length} executions`, { rows: rows.map((row) => row.id) });
    if (rows.length > 1 && key === null)
      facts.violation('d', rows[0].id, `one start without a key made ${rows.length} executions`, { rows: rows.map((row) => row.id) });
    for (const row of rows) {
      if (row.n !== n || row.size !== size) facts.violation('d', row.id, 'the parameters are not those that were sent', { row, n, size });
      if (row.path !== path || row.version !== version)
        facts.violation('d', row.id, 'another entry runs than was asked for', { row, path, version });
    }
  }
  for (const { key, execution } of facts.keys) {
    const start = [...starts.values()].find((each) => each.key === key);
    if (start === undefined || !start.rows.some((row) => row.id === execution)) {
      facts.violation('d', execution, `key ${key} names an execution that its start did not make`);
    }
  }
  for (const line of facts.lines('mismatch', 'ok'))
    facts.violation('d', line.execution, 'a used key with another body was accepted', { line });
  for (const line of facts.lines('mismatch', 'fail')) {
    if (line.status !== undefined && line.status !== 422 && line.status !== 503) {
      facts.violation('d', null, `a used key with another body was answered with ${line.status}, not 422`, { line });
    }
  }
}
