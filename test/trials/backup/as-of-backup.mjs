import { beginOf, partOf } from '../../chaos/checks/parts.mjs';

/**
 * What clients know of the state that a backup has: what was answered before it began is in it, what was sent after it ended is not, and of what
 * was under way meanwhile nobody knows.
 */
export function historyAsOf(history, begin, end) {
  return history.flatMap((line) => {
    const sent = line.since === undefined ? line.wall : line.wall - (line.t - line.since);
    if (sent > end) return [];
    if (line.phase === 'invoke' || line.wall <= begin) return [line];
    if (line.phase === 'fail' && line.op === 'start') return [line];
    const { op, id, key, style, path, version, n, size, client, node, execution, t, wall, since } = line;
    const known = op === 'start' ? { id, key, style, path, version, n, size } : { key, execution };
    return [{ op, client, node, t, wall, since, ...known, phase: 'unknown' }];
  });
}

/** Takes the calls of the first life out that the backup knows nothing of: nobody can tell from its rows that they were made. */
export function forgetLaterCalls(facts, end, restoredAt, restored) {
  let forgotten = 0;
  facts.strayCalls = [];
  for (const [id, execution] of facts.executions) {
    const { events } = execution;
    const kept = execution.calls.filter((call) => {
      if (call.at >= restoredAt) return true;
      const { step, wave, part } = partOf(call.key);
      const firing = events.filter((event) => event.step === step && event.wave === wave && event.at <= call.at + 3);
      const known = beginOf(firing, part, call.attempt) !== undefined;
      return call.at <= end && known && (call.claim ?? 0) <= (restored.get(id)?.claim_no ?? 0);
    });
    forgotten += execution.calls.length - kept.length;
    execution.calls = kept;
  }
  return forgotten;
}
