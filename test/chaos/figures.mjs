import { startsAfterKills } from './checks/kills.mjs';

/** What a round did, in numbers that can be added up. */
export function countsOf(facts, load, windows) {
  const statuses = {};
  for (const { row } of facts.executions.values()) statuses[row.status] = (statuses[row.status] ?? 0) + 1;
  const named = (...names) => windows.filter(({ name, error }) => names.includes(name) && error === undefined);
  const sum = (read) => windows.reduce((total, window) => total + (read(window) ?? 0), 0);
  const cuts = (kind) => sum((window) => (kind === undefined || window.kind === kind ? window.cuts : 0));
  const hits = windows.filter((window) => window.hit || hitExecution(facts, window)).length;
  return {
    acknowledged: load.acknowledged,
    unknown: load.unknown,
    operations: facts.history.filter(({ phase, op }) => phase === 'invoke' && op !== 'fault').length,
    executions: facts.executions.size,
    ...statuses,
    calls: facts.calls.length,
    called: facts.notes.called ?? 0,
    savedRows: facts.notes.savedRows ?? 0,
    repeatedCalls: facts.notes.repeatedCalls ?? 0,
    poisonedByFaults: facts.notes.poisonedByFaults ?? 0,
    lateCalls: facts.notes.zombieCalls ?? 0,
    kills: sum(({ kills }) => kills?.length) + facts.stalls.filter(({ point }) => point.includes(':exit:')).length,
    zombies: named('stop_node').length + facts.stalls.filter(({ point }) => point.includes(':stall:')).length,
    zombiesWithWork: named('stop_node').filter(({ held }) => held > 0).length,
    zombiesThatLost: named('stop_node').filter(({ lost }) => lost > 0).length,
    leasesLostByZombies: sum(({ lost }) => lost),
    deploys: windows.filter(({ name, exit }) => name === 'deploy' && exit !== null && exit !== undefined).length,
    deployResets: facts.notes.deployResets ?? 0,
    deployCrossed: facts.notes.deployCrossed ?? 0,
    leasesLeftByDeploys: sum(({ leasesLeft }) => leasesLeft),
    databaseEnds: named('postgres_fast', 'postgres_immediate', 'postgres_crash', 'postgres_crash_all', 'backend_crash').length,
    backendKills: sum(({ backends }) => backends),
    cutBatches: cuts(),
    cutRequests: cuts('request'),
    cutTorn: cuts('middle'),
    cutReplies: cuts('reply'),
    noAnswerIn10s: facts.history.filter(({ phase, why }) => phase === 'unknown' && why?.startsWith('no answer within')).length,
    keysSentManyTimes: load.sameStarts.keys,
    answersToThem: load.sameStarts.answers,
    otherBodiesRefused: facts.lines('mismatch', 'fail').filter(({ status }) => status === 422).length,
    faults: windows.length,
    faultsHit: hits,
    ...Object.fromEntries(Object.entries(Object.groupBy(windows, ({ name }) => `fault:${name}`)).map(([name, all]) => [name, all.length])),
  };
}

/** What a round measured, in milliseconds. */
export function samplesOf(facts, windows, allEndedAt) {
  const values = (read) => windows.map(read).filter((value) => value !== undefined && value !== null);
  const starts = facts.history.filter(
    ({ op, phase, prefer, code }) => op === 'start' && phase !== 'invoke' && !prefer && code !== 'not_sent',
  );
  const last = Math.max(0, ...windows.map(({ kills, wall }) => kills?.at(-1)?.at ?? wall));
  return {
    'until an effect of a killed node ran again': startsAfterKills(facts, windows),
    'until a start was served after a fault of the database': values(({ servedMs }) => servedMs),
    'until a node that was told to stop had ended': values(({ tookMs, exit }) => (exit === undefined ? undefined : tookMs)),
    'until all had ended after the last fault': allEndedAt === null || last === 0 ? [] : [allEndedAt - last],
    'answers to starts': starts.map(({ t, since }) => t - since),
    'of them refused with 503': starts.filter(({ status }) => status === 503).map(({ t, since }) => t - since),
  };
}

/** Whether an execution was under way when the fault began; for a fault of one node, one whose last call that node had made. */
function hitExecution(facts, { wall, node, error }) {
  if (error !== undefined) return false;
  for (const { row, calls } of facts.executions.values()) {
    if (row.created > wall || row.ended < wall) continue;
    if (node === undefined) return true;
    const last = calls.findLast(({ at }) => at <= wall);
    if (last !== undefined && last.node === String(node)) return true;
  }
  return false;
}
