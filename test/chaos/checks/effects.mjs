import { beginOf, endOf, partOf } from './parts.mjs';

/** Times of the effect server and of the database are of one machine; the database's have milliseconds only. */
const SLACK_MS = 3;

/** (e) effects: what the model predicts has happened, nothing else has, never before its start was committed, never after its end was. */
export function checkEffects(facts) {
  for (const call of facts.strayCalls)
    facts.violation('e', call.execution, `a call in the name of an execution that is not stored (${call.step})`, { call });
  const zombies = new Map();
  let repeated = 0;
  for (const [id, execution] of facts.executions) {
    const { row, calls, prediction } = execution;
    if (prediction === null || facts.isDisturbed(id)) continue;
    const byKey = Map.groupBy(calls, ({ key }) => key);
    for (const [key, mine] of byKey) {
      const { execution: owner, step, wave, part } = partOf(key);
      const predicted = owner === id ? prediction.effects.get(`${step}/${wave}/${part}`) : undefined;
      if (predicted === undefined) {
        facts.violation('e', id, `a call that the playbook does not make: ${key}`, { calls: mine });
        continue;
      }
      repeated += checkCalls(facts, id, execution, { step, wave, part, predicted, calls: mine, zombies });
    }
    if (row.status === 'cancelled' || row.error?.code === 'poison') continue;
    for (const [name, { must }] of prediction.effects) {
      if (must && !byKey.has(`${id}/${name}/action`)) facts.violation('e', id, `${row.status} without its effect ${name}`);
    }
  }
  facts.notes.repeatedCalls = repeated;
  facts.notes.zombieCalls = [...zombies.values()].reduce((sum, calls) => sum + calls.length, 0);
  for (const [stall, calls] of zombies) {
    if (calls.length > 1)
      facts.violation('e', calls[0].execution, `${calls.length} late calls after one stall (${stall}), at most one may be`, { calls });
  }
}

/** @returns how many calls were repeats */
function checkCalls(facts, id, { events }, { step: firing, wave, part, predicted, calls, zombies }) {
  const step = part === '-' ? firing : `${firing}/${part}`;
  const mine = events.filter((event) => event.step === firing && event.wave === wave);
  const settled = endOf(mine, part);
  let repeats = 0;
  for (const [index, call] of calls.entries()) {
    if (call.input !== predicted.input) facts.violation('e', id, `${step} was called with ${call.input}, not ${predicted.input}`, { call });
    const attempt = call.attempt ?? 1;
    if (attempt > predicted.attempts)
      facts.violation('e', id, `attempt ${attempt} of ${step}, at most ${predicted.attempts} may be`, { call });
    const started = beginOf(mine, part, attempt);
    if (started === undefined) facts.violation('e', id, `${step} was called, its start is not in the history`, { call });
    else if (call.at < started.at - SLACK_MS)
      facts.violation('e', id, `${step} was called ${started.at - call.at} ms before its start was committed`, { call, started });
    if (settled !== undefined && settled.type !== 'step_skipped' && call.at > settled.at + SLACK_MS)
      lateCall(facts, id, call, calls, settled, zombies);
    const before = calls[index - 1];
    if (before === undefined || before.attempt !== call.attempt) continue;
    repeats += 1;
    if (call.claim !== null && call.claim === before.claim)
      facts.violation('e', id, `one holder made the same call of ${step} twice`, { before, call });
    if (facts.faultsBetween(before.at, call.at).length === 0) {
      facts.violation('e', id, `${step} was called again after ${call.at - before.at} ms, with no fault that explains it`, {
        before,
        call,
      });
    }
  }
  checkRecorded(facts, id, step, settled, calls);
  checkDelay(facts, id, step, predicted, calls);
  return repeats;
}

/** A call after the end of its step: only a process that stood still between its last check and the socket may make one (D15). */
function lateCall(facts, id, call, calls, settled, zombies) {
  const newer = calls.some(({ claim }) => claim !== null && call.claim !== null && claim > call.claim);
  const stall = [...facts.windows.filter(({ name }) => name === 'stop_node'), ...facts.stalls].find(
    ({ node, wall, until }) => String(node) === call.node && wall <= call.at && until + 2_000 >= call.at,
  );
  if (!newer || stall === undefined)
    return facts.violation('e', id, `${call.step} was called ${call.at - settled.at} ms after its end was committed`, { call, settled });
  const key = `node ${stall.node} at ${stall.wall}`;
  zombies.set(key, [...(zombies.get(key) ?? []), call]);
}

/** What is recorded is an answer that was given, to whoever held the lease when it was recorded. */
function checkRecorded(facts, id, step, settled, calls) {
  if (!settled?.call) return;
  const recorded = calls.find(({ call }) => call === settled.call);
  if (recorded === undefined) return facts.violation('e', id, `${step} recorded an answer that no call of it got`, { settled });
  if (recorded.how === 'dropped') facts.violation('e', id, `${step} recorded an answer that was never sent`, { settled, recorded });
  const newer = calls.find(({ claim, at }) => claim !== null && claim > recorded.claim && at < settled.at - SLACK_MS);
  if (newer !== undefined)
    facts.violation('e', id, `${step} recorded what an older holder had got, after a newer one had called`, { settled, recorded, newer });
}

/** (h) A retry never comes before its delay is over. */
function checkDelay(facts, id, step, { delayMs }, calls) {
  for (const [index, call] of calls.entries()) {
    const before = calls[index - 1];
    if (before === undefined || before.attempt === null || call.attempt !== before.attempt + 1) continue;
    if (call.at - before.at < delayMs - SLACK_MS)
      facts.violation('h', id, `${step} was tried again after ${call.at - before.at} ms, not ${delayMs}`, { before, call });
  }
}
