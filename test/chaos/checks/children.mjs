import { mayBePoison } from './outcomes.mjs';

const HAPPENED = new Set(['completed', 'failed']);

/**
 * Executions that others call: (a) each is told of by who called it, and is there; (e) what the model calls was called, once, nothing else was; (j) none
 * outlives its caller; (g) a cancel of the caller reaches it.
 */
export function checkChildren(facts) {
  let called = 0;
  let deepest = 0;
  for (const [id, execution] of facts.executions) {
    if (execution.row.parent !== null) {
      called += 1;
      deepest = Math.max(deepest, facts.callersOf(id).length - 1);
      checkChild(facts, id, execution.row);
    }
    checkCaller(facts, id, execution);
  }
  checkCascades(facts);
  Object.assign(facts.notes, { called, deepestCall: deepest });
}

/** One that was called, and what its caller says of it. */
function checkChild(facts, id, row) {
  const caller = facts.executions.get(row.parent);
  if (caller === undefined) return facts.violation('j', id, `it was called by ${row.parent}, which does not exist`, { row });
  const told = caller.events.filter(({ child }) => child === id);
  const [born, heard, ...more] = told;
  const path = (row.parent_item ?? '').replace(/#\d+$/, '');
  if (born?.type !== 'child_started' || born.step !== row.parent_step || born.wave !== row.parent_wave || born.path !== path)
    facts.violation('a', id, `its caller ${row.parent} does not say that it called it`, { row, told });
  if (more.length > 0 || (heard !== undefined && heard.type !== 'child_completed'))
    facts.violation('c', id, `its caller ${row.parent} says more of it than that it began and ended`, { told });
  if (heard?.type === 'child_completed' && heard.status !== row.status)
    facts.violation('b', id, `it ended as ${row.status}, and its caller ${row.parent} heard ${heard.status}`, { told });
  if (heard?.type === 'child_completed' && heard.at < row.ended)
    facts.violation('c', id, `its caller ${row.parent} heard of its end before it`, { heard, ended: row.ended });
  checkEnds(facts, id, row, caller.row);
}

/** It ends before its caller does; where that is cancelled, it has been told so before. */
function checkEnds(facts, id, row, caller) {
  if (caller.error?.code === 'poison' || (caller.status === 'cancelled' && mayBePoison(facts, caller))) return; // nothing of it is read any more
  const lostAt = facts.lostAt(row);
  // Its caller went on without it, once it had been told to end.
  if (lostAt !== undefined && row.ended > lostAt && !(row.cancel_requested !== null && row.cancel_requested <= lostAt))
    facts.violation('g', id, `a join of its caller ${row.parent} went on without it, and it was not told`, { row, caller, lostAt });
  if (lostAt === undefined && HAPPENED.has(caller.status) && row.ended > caller.ended)
    facts.violation('j', id, `it ended ${Math.round(row.ended - caller.ended)} ms after its caller ${row.parent}, which ${caller.status}`, {
      row,
      caller,
    });
  if (caller.status === 'cancelled' && row.ended > caller.ended && !(row.cancel_requested <= caller.ended && row.cancel_requested !== null))
    facts.violation('g', id, `its caller ${row.parent} was cancelled, and it was not told`, { row, caller });
  if (row.cancel_requested === null) return;
  if (caller.cancel_requested === null && lostAt === undefined)
    facts.violation('g', id, `it was told to cancel, and its caller ${row.parent} was not`, { row, caller });
  if (row.status !== 'cancelled') facts.violation('g', id, `it was told to cancel, and ended as ${row.status}`, { row });
  const undoing = facts.executions.get(id).events.find(({ type }) => type.startsWith('compensation_'));
  const tookMs = (undoing?.at ?? row.ended) - row.cancel_requested;
  const tolerance = facts.toleranceMs(row.cancel_requested, row.ended);
  if (tookMs > tolerance)
    facts.violation('g', id, `its cancel took ${Math.round(tookMs)} ms, at most ${Math.round(tolerance)} may be`, { row, caller });
}

/** What one called, against its model and its history. */
function checkCaller(facts, id, { row, events, prediction, children }) {
  const places = Map.groupBy(children, (child) => placeOf(facts.executions.get(child).row));
  for (const [place, there] of places)
    if (there.length > 1) facts.violation('e', id, `${there.length} executions were called for ${place}`, { children: there });
  // A cancel that is heard before a call was written is written with it, and then nobody is born.
  const cancelledAt = events.find(({ type }) => type === 'cancel_requested')?.at;
  for (const event of events) {
    if (event.type !== 'child_started' || event.at === cancelledAt) continue;
    if (!facts.executions.has(event.child)) facts.violation('a', id, `it called ${event.child}, which does not exist`, { event });
  }
  if (prediction === null || facts.isDisturbed(id)) return;
  for (const [place, [child]] of places) {
    const wanted = prediction.children.get(place);
    const { path, version, n } = facts.executions.get(child).row;
    if (wanted === undefined) facts.violation('e', child, `the playbook of ${id} makes no call for ${place}`, { path, version, n });
    else if (wanted.path !== path || wanted.version !== version || wanted.n !== n)
      facts.violation('e', child, `it is not what ${id} calls for ${place}`, { wanted, seen: { path, version, n } });
  }
  if (!HAPPENED.has(row.status) || row.error?.code === 'poison') return;
  for (const [place, { must }] of prediction.children)
    if (must && !places.has(place)) facts.violation('e', id, `${row.status} without its call for ${place}`);
  const heard = new Set(events.filter(({ type }) => type === 'child_completed').map(({ child }) => child));
  for (const child of children)
    if (!heard.has(child) && facts.lostAt(facts.executions.get(child).row) === undefined)
      facts.violation('c', id, `${row.status} without having heard of the end of ${child}`);
}

const placeOf = ({ parent_step: step, parent_wave: wave, parent_item: item }) => `${step}/${wave}/${item ?? '-'}`;

/** (g) Below an acknowledged cancel no step begins later than a lease for each call between. */
function checkCascades(facts) {
  for (const line of facts.lines('cancel', 'ok')) {
    if (!facts.executions.has(line.execution)) continue; // of an earlier round
    for (const { id, depth } of facts.calledBy(line.execution)) {
      const until = line.wall + (depth + 1) * facts.leaseMs;
      const { events } = facts.executions.get(id);
      const late = events.find(({ type, at }) => type === 'step_started' && at > until);
      if (late !== undefined && facts.faultsBetween(line.wall, late.at).length === 0)
        facts.violation(
          'g',
          id,
          `a step began ${Math.round(late.at - line.wall)} ms after the cancel of ${line.execution} was acknowledged`,
          {
            line,
            late,
          },
        );
    }
  }
}
