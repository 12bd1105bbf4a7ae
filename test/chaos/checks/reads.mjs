const RANK = { pending: 0, running: 1, paused: 1, completed: 2, failed: 2, cancelled: 2 };

/** (i) reads: in real time, whoever reads, a state never goes back, progress never falls, an end stays; a list has what was acknowledged before it began. */
export function checkReads(facts) {
  const reads = new Map();
  const acknowledged = [];
  for (const line of facts.history) {
    if (line.op === 'start' && line.phase === 'ok') acknowledged.push({ id: line.execution, at: line.t });
    if (line.op === 'status' && line.phase === 'fail' && line.status === 404)
      facts.violation('a', line.execution, 'an acknowledged execution was not found', { line });
    if (line.op === 'events' && line.phase === 'ok' && line.seqs.some((seq, index) => seq !== index + 1))
      facts.violation('c', line.execution, 'a history with gaps was read', { line });
    if (line.phase !== 'ok' || line.seen === undefined) continue;
    for (const [id, status, progress] of line.seen) {
      if (!facts.executions.has(id)) continue; // of an earlier round
      const list = reads.get(id) ?? [];
      reads.set(id, list);
      // A repeated start is answered with what its first answer said.
      if (line.op !== 'start' || !line.replayed) list.push({ status, progress, from: line.since, to: line.t, line });
    }
  }
  for (const [id, list] of reads) checkOrder(facts, id, list);
  acknowledged.sort((a, b) => a.at - b.at);
  for (const line of facts.lines('list', 'ok')) checkList(facts, line, acknowledged);
  facts.notes.reads = [...reads.values()].reduce((sum, list) => sum + list.length, 0);
}

function checkOrder(facts, id, reads) {
  const ended = [...reads].sort((a, b) => a.to - b.to);
  const begun = [...reads].sort((a, b) => a.from - b.from);
  let next = 0;
  let best = null;
  let progress = null;
  for (const read of begun) {
    // Whatever had ended before this one began must not be newer than it.
    for (; next < ended.length && ended[next].to < read.from; next++) {
      const earlier = ended[next];
      if (best === null || RANK[earlier.status] > RANK[best.status]) best = earlier;
      if (progress === null || earlier.progress > progress.progress) progress = earlier;
    }
    if (best !== null && (RANK[read.status] < RANK[best.status] || (RANK[best.status] === 2 && read.status !== best.status))) {
      return facts.violation('i', id, `${read.status} was read after ${best.status}`, { earlier: best.line, later: read.line });
    }
    if (progress !== null && read.progress < progress.progress) {
      return facts.violation('i', id, `progress ${read.progress} was read after ${progress.progress}`, {
        earlier: progress.line,
        later: read.line,
      });
    }
  }
  const { row } = facts.executions.get(id);
  const wrong = reads.find(({ status }) => RANK[status] === 2 && status !== row.status);
  if (wrong !== undefined) facts.violation('i', id, `${wrong.status} was read, it ended as ${row.status}`, { line: wrong.line });
}

function checkList(facts, line, acknowledged) {
  const ids = new Set(line.seen.map(([id]) => id));
  const oldest = line.seen.length < line.limit ? 0n : BigInt(line.seen.at(-1)[0]);
  for (const { id, at } of acknowledged) {
    if (at >= line.since) break;
    if (BigInt(id) >= oldest && !ids.has(id))
      return facts.violation('i', id, 'a list lacks an execution that was acknowledged before it began', {
        line: { ...line, seen: line.seen.length },
      });
  }
}
