import { isDeepStrictEqual } from 'node:util';

/** (f) the end is the model's; (g) an acknowledged cancel is kept, and soon; (h) timers are not late. */
export function checkOutcomes(facts) {
  const cancels = Map.groupBy(
    facts.history.filter(({ op, phase }) => op === 'cancel' && phase !== 'invoke'),
    ({ execution }) => execution,
  );
  const lateness = [];
  for (const [id, { row, events, calls, prediction }] of facts.executions) {
    const asked = cancels.get(id) ?? [];
    if (prediction === null) facts.violation('f', id, `an unknown entry ran: ${row.path}@${row.version}`);
    else if (row.status === 'cancelled') {
      const wished = facts.callersOf(id).flatMap((caller) => cancels.get(caller) ?? []);
      const isLost = facts.callersOf(id).some((caller) => facts.lostAt(facts.executions.get(caller).row) !== undefined);
      // A caller that ends as poison takes along what it called.
      const isTakenAlong = facts.callersOf(id).some((caller) => isPoisonedByFaults(facts, facts.executions.get(caller).row));
      if (!isLost && !isTakenAlong && !wished.some(({ phase }) => phase !== 'fail'))
        facts.violation('f', id, 'cancelled, and nobody asked for it');
    } else if (isPoisonedByFaults(facts, row)) {
      facts.notes.poisonedByFaults = (facts.notes.poisonedByFaults ?? 0) + 1;
    } else if (facts.isDisturbed(id)) {
      facts.notes.disturbed = (facts.notes.disturbed ?? 0) + 1;
    } else if (row.status !== prediction.status) {
      facts.violation('f', id, `ended as ${row.status}, the model says ${prediction.status}`, {
        error: row.error,
        predicted: prediction.failedStep,
      });
    } else if (row.status === 'completed' && !isDeepStrictEqual(row.result, prediction.result)) {
      facts.violation('f', id, 'the result is not the model’s', { result: row.result, predicted: prediction.result });
    } else if (row.status === 'failed' && row.error?.step !== prediction.failedStep) {
      facts.violation('f', id, `failed at ${row.error?.step}, the model says ${prediction.failedStep}`, { error: row.error });
    } else if (row.status === 'failed' && prediction.failedItem !== null && row.error?.item_index !== prediction.failedItem) {
      facts.violation('f', id, `failed with item ${row.error?.item_index}, the model says ${prediction.failedItem}`, { error: row.error });
    }
    if (prediction !== null) checkSaves(facts, id, events, prediction);
    for (const line of asked) checkCancel(facts, id, row, events, calls, line);
    lateness.push(...checkTimers(facts, id, events, calls), ...checkWaits(facts, id, row, events, prediction));
  }
  lateness.sort((a, b) => a - b);
  facts.notes.timers = lateness.length;
  facts.notes.timerLatenessMs =
    lateness.length === 0 ? null : { p50: Math.round(lateness[lateness.length >> 1]), max: Math.round(lateness.at(-1)) };
}

/** What saves came to is in the event that settles their step. */
function checkSaves(facts, id, events, { saves }) {
  for (const { type, step, wave, saves: done } of events) {
    const wanted = type === 'step_completed' ? saves.get(`${step}/${wave}`) : undefined;
    if (wanted === undefined || facts.isDisturbed(id)) continue;
    const seen = done.map(({ storage, status, data }, index) => ({
      storage,
      status,
      ...(wanted[index]?.data === undefined ? {} : { data }),
    }));
    if (!isDeepStrictEqual(seen, wanted)) facts.violation('f', id, `the saves of ${step} are not the model’s`, { seen, wanted });
  }
}

const POISON_ATTEMPTS = 5;

/** (D16) Its holders were killed, or stood still, so often in a row that the service had to take it for the reason. */
function isPoisonedByFaults(facts, row) {
  return row.error?.code === 'poison' && mayBePoison(facts, row);
}

/** Whether faults took its holders so often. */
export function mayBePoison(facts, row) {
  if (row.claim_no <= POISON_ATTEMPTS) return false;
  const losses = facts.faultsBetween(row.created, row.ended).reduce((sum, { name, kills, point }) => {
    if (kills !== undefined) return sum + kills.length;
    return name === 'stop_node' || name === 'black_hole' || point !== undefined ? sum + 1 : sum;
  }, 0);
  return losses >= POISON_ATTEMPTS;
}

function checkCancel(facts, id, row, events, calls, line) {
  if (line.phase === 'fail' && line.status === 409 && `already_${row.status}` !== line.code) {
    facts.violation('g', id, `a cancel was refused with ${line.code}, and it ended as ${row.status}`, { line });
  }
  if (line.phase === 'fail' && line.status === 404)
    facts.violation('a', id, 'an acknowledged execution was not found by a cancel', { line });
  if (line.phase !== 'ok') return;
  if (row.status !== 'cancelled') return facts.violation('g', id, `its cancel was acknowledged, and it ended as ${row.status}`, { line });
  // What is written may have been decided before the cancel and have been held up by a fault; what the world sees may not.
  const calm = facts.faultsBetween(line.wall, line.wall + facts.leaseMs).length === 0;
  const late = events.find(({ type, at }) => type === 'step_started' && at > line.wall + facts.leaseMs);
  const begun = late && calls.find(({ key, at }) => key.startsWith(`${id}/${late.step}/${late.wave}/`) && at > line.wall + facts.leaseMs);
  if (late !== undefined && (calm || begun !== undefined)) {
    facts.violation('g', id, `a step began ${late.at - line.wall} ms after the cancel was acknowledged`, { line, late, begun });
  }
  // From then on it undoes what it did, which takes its time.
  const undoing = events.find(({ type }) => type.startsWith('compensation_'));
  const tookMs = (undoing?.at ?? row.ended) - line.wall;
  const tolerance = facts.toleranceMs(line.wall, row.ended);
  if (tookMs > tolerance)
    facts.violation('g', id, `a cancel took ${Math.round(tookMs)} ms, at most ${Math.round(tolerance)} may be`, { line });
}

/** @returns how late each timer was, in milliseconds, where no fault was about */
function checkTimers(facts, id, events, calls) {
  const late = [];
  for (const event of events) {
    if (event.type !== 'action_retry') continue;
    const asked = `${id}/${event.step}/${event.wave}/${event.path ?? '-'}/action`;
    const next = calls.find(({ key, attempt }) => key === asked && attempt === event.attempt + 1);
    if (next === undefined) continue;
    const lateMs = next.at - event.due;
    if (lateMs < -2) facts.violation('h', id, `${event.step} was tried again ${Math.round(-lateMs)} ms before it was due`, { event, next });
    const tolerance = facts.toleranceMs(event.due, next.at);
    if (lateMs > tolerance)
      facts.violation('h', id, `${event.step} was ${Math.round(lateMs)} ms late, at most ${Math.round(tolerance)} may be`, { event, next });
    if (facts.faultsBetween(event.due, next.at).length === 0) late.push(lateMs);
  }
  return late;
}

/** As checkTimers, of the steps that only wait. A pause may keep them waiting for as long as it lasts. */
function checkWaits(facts, id, row, events, prediction) {
  const late = [];
  for (const waiting of events) {
    if (waiting.type !== 'step_waiting' || !prediction?.waits.has(waiting.step)) continue;
    const woken = events.find(({ type, step, wave }) => type === 'step_woken' && step === waiting.step && wave === waiting.wave);
    if (woken === undefined) {
      if (row.status === 'completed') facts.violation('h', id, `${waiting.step} never woke`, { waiting });
      continue;
    }
    const lateMs = woken.at - waiting.due;
    if (lateMs < -2) facts.violation('h', id, `${waiting.step} woke ${Math.round(-lateMs)} ms before it was due`, { waiting, woken });
    if (events.some(({ type }) => type === 'pause_requested')) continue;
    const tolerance = facts.toleranceMs(waiting.due, woken.at);
    if (lateMs > tolerance)
      facts.violation('h', id, `${waiting.step} woke ${Math.round(lateMs)} ms late, at most ${Math.round(tolerance)} may be`, {
        waiting,
        woken,
      });
    if (facts.faultsBetween(waiting.due, woken.at).length === 0) late.push(lateMs);
  }
  return late;
}
