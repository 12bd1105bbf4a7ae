import { isTerminal } from '../../src/engine/run/events.js';
import { approvalsAtEnd } from './approvals.js';
import { POISON_ATTEMPTS } from '../../src/storage/claiming/claim.js';
import { predict } from './programs.js';
import { type Stored } from './tables.js';
import { undos } from './undos.js';
import { type World } from './world.js';

type Violate = (rule: string, runId: string | null, message: string) => void;

/** What must hold once everything is healed and quiet. */
export function finalChecks(world: World, violate: Violate): void {
  const { clients, database } = world;
  for (const [run, record] of clients.starts) {
    const stored = record.offered.filter((id) => database.executions.has(id));
    for (const id of record.acknowledged)
      if (!database.executions.has(id)) violate('C1', id, `the start ${run} was acknowledged and is not there`);
    if (record.keyed && (new Set(record.acknowledged).size > 1 || stored.length > 1)) {
      violate('C2', stored[0] ?? null, `one idempotency key, ${stored.length} executions, answers ${record.acknowledged.join(' ')}`);
    }
    for (const id of stored) execution(world, id, record.program, violate);
  }
  for (const [id, { row }] of database.executions)
    if (typeof row['parent_run_id'] === 'string') called(world, id, row['parent_run_id'], violate);
  for (const id of clients.cancels.keys()) {
    const status = database.executions.get(id)?.row.status;
    if (status !== 'cancelled') violate('D28', id, `its cancel was acknowledged, and it is ${status}`);
  }
  for (const [id, stored] of database.executions) {
    const isPoison = (stored.row['error'] as { code?: string } | null)?.code === 'poison';
    approvalsAtEnd(stored, isPoison, (rule, message) => violate(rule, id, message));
  }
  for (const { execution: id, approval, by } of clients.taken) {
    const row = database.executions.get(id)!.approvals.all.find((each) => each.id === approval);
    if (!row?.decisions.some((each) => each.by === by)) violate('approval', id, `the decision of ${by} was acknowledged, and is not there`);
  }
  if (clients.open > 0) violate('C6', null, `${clients.open} requests were never answered`);
}

function execution(world: World, id: string, program: number, violate: Violate): void {
  const stored = world.database.executions.get(id)!;
  const { row } = stored;
  if (!isTerminal(row.status))
    return violate('C6', id, `it never ended: ${row.status}, lease ${row.lease_token}, wake_at ${row.wake_at}, attempts ${row.attempts}`);
  const prediction = predict(world.scenario.programs[program]!, world.scenario.programs, row.timeout_at !== null);
  const code = (row['error'] as { code?: string } | null)?.code;
  const isCancelled = row.status === 'cancelled';
  const isTimedOut = code === 'execution_timeout';
  if (isTimedOut && (row.timeout_at === null || (row.ended_at as number) < row.timeout_at))
    violate('C5', id, 'out of time, and its time was not over');
  if (isCancelled && row.cancel_requested_at === null) violate('C3', id, 'cancelled, and nobody asked for it');
  if (code === 'poison') return poisoned(world, id, prediction.poison, violate);
  if (calledBy(world, id).some((each) => (each.row['error'] as { code?: string } | null)?.code === 'poison')) return;
  if (!isCancelled && !isTimedOut && (row.status !== prediction.status || prediction.poison)) {
    violate(
      'model',
      id,
      `${row.status} (${JSON.stringify(row['error'])}), and the model says ${prediction.poison ? 'poison' : prediction.status}`,
    );
  }
  calls(world, stored, prediction, violate);
  effects(world, stored, prediction, violate);
  loops(stored, prediction, violate);
  undos(stored, world.scenario.programs[program]!, world.scenario.programs, violate);
  const isComplete = row.status === 'completed' && world.scenario.programs[program]!.hasEnd && prediction.values.size > 0;
  const wanted = JSON.stringify(Object.fromEntries([...prediction.values].sort()));
  const got = isComplete ? JSON.stringify(Object.fromEntries(Object.entries(stored.result as object).sort())) : wanted;
  if (got !== wanted) violate('model', id, `the result is ${got}, and the model says ${wanted}`);
}

/** Whether it ended before it had done all that it was to do. */
const isCut = (row: Stored['row']): boolean =>
  row.status === 'cancelled' || (row['error'] as { code?: string } | null)?.code === 'execution_timeout';

/** Whether what happens at a place belongs to a firing that was over in the execution that this one goes on from. */
function isKept({ clients }: World, { id }: Stored['row'], place: string): boolean {
  const [firing = ''] = place.split('/');
  return [...clients.starts.values()].some(({ offered, kept }) => offered.includes(id) && kept.has(firing));
}

function effects(world: World, { row, events }: Stored, prediction: ReturnType<typeof predict>, violate: Violate): void {
  const calls = world.effects.calls.filter(({ executionId }) => executionId === row.id);
  const seen = new Map<string, number>();
  for (const { step, wave, part, attempt } of calls) {
    const place = `${step}#${wave}${part && `/${part}`}`;
    const expected = prediction.effects.get(place);
    if (!expected) violate('model', row.id, `the effect ${place} is none of the model's`);
    else if (attempt > expected.attempts) violate('C4', row.id, `attempt ${attempt} of ${place}, and the model says ${expected.attempts}`);
    seen.set(place, Math.max(seen.get(place) ?? 0, attempt));
  }
  if (isCut(row)) return;
  for (const [place, { attempts, must }] of prediction.effects) {
    if (must && (seen.get(place) ?? 0) !== attempts && !isKept(world, row, place))
      violate('model', row.id, `${place} had ${seen.get(place) ?? 0} attempts, and the model says ${attempts}`);
  }
  if (events.length > 2_000) violate('model', row.id, 'far more events than any of these playbooks can have');
}

const calledBy = ({ database }: World, id: string): Stored[] =>
  [...database.executions.values()].filter(({ row }) => row['parent_run_id'] === id);

/** A called run was born with the event that says so, and is what the model says of its program. */
function called(world: World, id: string, parentId: string, violate: Violate): void {
  const { row } = world.database.executions.get(id)!;
  const parent = world.database.executions.get(parentId);
  const about = (parent?.events ?? []).filter(({ content }) => content.childId === id);
  const [born, heard, ...more] = about;
  if (born?.event_type !== 'child_started' || (heard && heard.event_type !== 'child_completed') || more.length > 0)
    violate(
      'D29',
      id,
      `the history of its caller ${parentId} says ${about.map(({ event_type }) => event_type).join(', ') || 'nothing'} of it`,
    );
  if (heard?.content.status !== undefined && heard.content.status !== row.status)
    violate('D29', id, `it is ${row.status}, and its caller heard ${heard.content.status}`);
  execution(world, id, Number(row['catalog_id']), violate);
}

/** What is called is born once per call, and is there where the history says so. */
function calls(world: World, { row, events }: Stored, prediction: ReturnType<typeof predict>, violate: Violate): void {
  const born = new Map<string, number>();
  for (const { row: child } of calledBy(world, row.id)) {
    const item = child['parent_item'] as string | null;
    const place = `${String(child['parent_step'])}#${String(child['parent_wave'])}${item === null ? '' : `/${item}`}`;
    born.set(place, (born.get(place) ?? 0) + 1);
    if (!prediction.calls.has(place)) violate('model', row.id, `the call ${place} is none of the model's`);
  }
  // A run that hears a cancel before a call was written writes both in one unit and the child in none (D29): the call was decided, and nobody was born.
  const cancelledAt = events.find(({ event_type: type }) => type === 'cancel_requested')?.at;
  for (const { at, content, event_type: type } of events) {
    if (type === 'child_started' && at === cancelledAt) continue;
    if (type === 'child_started' && !world.database.executions.has(content.childId!))
      violate('D29', row.id, `its call ${content.childId} was never born`);
  }
  for (const [place, { must }] of prediction.calls) {
    const times = born.get(place) ?? 0;
    if (times > 1) violate('D29', row.id, `${times} runs were born for ${place}`);
    if (must && times === 0 && !isCut(row) && !isKept(world, row, place)) violate('model', row.id, `${place} was never called`);
  }
}

/** What iterators left is what the model says, also where the run was cancelled later. */
function loops({ row, events }: Stored, prediction: ReturnType<typeof predict>, violate: Violate): void {
  for (const { event_type: type, step, content } of events) {
    if (type !== 'step_completed' || content.error !== undefined) continue;
    const wanted = prediction.loops.get(`${step}#${content.wave}`);
    if (wanted !== undefined && JSON.stringify(content.value) !== JSON.stringify(wanted))
      violate(
        'model',
        row.id,
        `${step}#${content.wave} came to ${JSON.stringify(content.value)}, and the model says ${JSON.stringify(wanted)}`,
      );
  }
}

/** Only what kills its holders is poison, unless it was under way in as many crashes itself (D16). */
function poisoned(world: World, id: string, isKiller: boolean, violate: Violate): void {
  const crashes = world.scenario.faults.filter(({ kind }) => kind !== 'drain' && kind !== 'database_away').length;
  if (!isKiller && crashes < POISON_ATTEMPTS) violate('D16', id, `a healthy execution ended as poison after ${crashes} crashes of others`);
}
