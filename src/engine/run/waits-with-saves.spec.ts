import { type Save, type Step } from '../playbook/playbook.js';
import { aStep, anAction, compiled, to } from '../testing/playbook-builder.js';
import { PARK_AFTER_MS, ProgramStage } from '../testing/program-stage.js';
import { simulatedWorld } from '../testing/simulated-run.js';
import { Rendering } from '../template/rendering.js';
import { withoutRenderer } from '../testing/without-renderer.js';
import { type Json, type JsonObject } from '../values.js';
import { foldEvents } from './apply.js';
import { keptForRetry } from './kept-history.js';
import { Moment } from './moment.js';
import { runSave } from './saves.js';
import { decodeState, encodeState } from './snapshot.js';

const saveTo = (storage: string, on: Save['on'], data: Json = null): Save => ({
  storage,
  when: null,
  on,
  name: null,
  data,
  auth: null,
  onError: null,
  fields: {},
});
const SECOND = 1_000;
const REQUESTS = { a: { method: 'elicitation/create', params: { message: '?', requestedSchema: { type: 'object' } } } };
const DECIDED = { approval_id: '7', step: 'start', wave: 1 };
const decision = (word: 'approve' | 'reject'): JsonObject => ({
  by: 'ann',
  decision: word,
  comment: null,
  data: null,
  at: '2031-01-01T00:00:00Z',
});

const WAITS: Readonly<Record<string, { readonly type: string; readonly fields: JsonObject }>> = {
  wait: { type: 'wait', fields: { duration: 1 } },
  wait_for: { type: 'wait_for', fields: { name: 'go' } },
  input: { type: 'input', fields: { requests: REQUESTS } },
  approval: { type: 'approval', fields: { title: '?', approvers: { scopes: ['s'] }, expires_in: 2 } },
};
/** A run that only waits for it has left memory. */
const signals = async (stage: ProgramStage, name: string): Promise<void> => {
  await stage.tell('signal', { name, payload: 'gone' });
  if (stage.stored.token === null) await stage.hold('told');
};
/** What ends each of them well. */
const ENDS: Readonly<Record<string, (stage: ProgramStage) => Promise<void>>> = {
  wait: (stage) => stage.advance(SECOND),
  wait_for: (stage) => signals(stage, 'go'),
  input: (stage) => signals(stage, 'start'),
  approval: (stage) => stage.tell('approval', { ...DECIDED, decision: decision('approve'), outcome: 'approved' }),
};

/** A run whose first step is such a wait. @param timeout seconds */
const stageOf = (wait: string, save: readonly Save[], step: Partial<Step> = {}, timeout: number | null = null): ProgramStage =>
  new ProgramStage([
    aStep('start', { action: anAction({ ...WAITS[wait], save: [...save], timeout }), next: to('end'), ...step }),
    aStep('late', { data: { why: '{{ error.code }}' }, next: to('end') }),
    aStep('end', { result: '{{ start.meta }}', hasResult: true }),
  ]);
const beginsToWait = async (...of: Parameters<typeof stageOf>): Promise<ProgramStage> => {
  const stage = stageOf(...of);
  await stage.hold('one');
  expect(stage.eventsOf('step_waiting')).toHaveLength(1);
  expect(stage.calls).toEqual([]);
  return stage;
};
const SUCCESS = { status: 'success', storage: 'act' };

describe('saves to the world of steps that wait', () => {
  it.each(Object.keys(WAITS))('begin once it is over, and end it: %s', async (wait) => {
    const stage = await beginsToWait(wait, [saveTo('act', 'success', { of: wait })]);
    await ENDS[wait]!(stage);
    expect([stage.parts, stage.calls.map(({ request }) => request)]).toEqual([['s0'], [{ of: wait }]]);
    expect(stage.eventsOf('step_completed')).toEqual([]);
    await stage.advance(10 * PARK_AFTER_MS);
    expect(stage.stored.token).not.toBeNull();
    await stage.settle(0, null);
    expect(stage.eventsOf('step_completed')[0]).toMatchObject({ step: 'start', saves: [{ ...SUCCESS, data: { of: wait } }] });
    expect(stage.stored.row.status).toBe('completed');
    expect([stage.calls.length, stage.faults]).toEqual([1, []]);
  });

  it.each(Object.keys(WAITS))('begin again where their holder died, and nothing else does: %s', async (wait) => {
    const stage = await beginsToWait(wait, [saveTo('act', 'always'), saveTo('act', 'success')]);
    await ENDS[wait]!(stage);
    await stage.hold('two');
    expect(stage.parts).toEqual(['s0', 's0']);
    await stage.settle(1, null);
    await stage.hold('three');
    expect(stage.parts).toEqual(['s0', 's0', 's1', 's1']);
    await stage.settle(3, null);
    expect(stage.stored.row.status).toBe('completed');
    expect([stage.eventsOf('action_acted').length, stage.eventsOf('step_completed')[0]?.saves.length, stage.faults]).toEqual([1, 2, []]);
    const { events } = stage.stored;
    const blind = withoutRenderer(compiledOf(wait));
    for (let length = 1; length < events.length; length += 1) {
      const folded = foldEvents(blind, {}, events.slice(0, length));
      expect(decodeState(blind, {}, JSON.parse(encodeState(folded)!) as Json)).toEqual(folded);
    }
    // A retry of what failed behind it does not wait again, and does not save again.
    const kept = foldEvents(blind, {}, [
      { type: 'execution_started' },
      ...keptForRetry(events).filter((event) => !('step' in event) || event.step === 'start'),
    ]);
    expect([kept.settled[0]?.status, kept.running.size, [...kept.armed.keys()]]).toEqual(['success', 0, [2]]);
  });

  it('fail their step where they fail', async () => {
    const stage = await beginsToWait('wait_for', [saveTo('act', 'success')]);
    await ENDS['wait_for']!(stage);
    await stage.settle(0, new Error('no'));
    expect(stage.eventsOf('step_failed')[0]).toMatchObject({ step: 'start', saves: [{ storage: 'act', status: 'error' }] });
  });

  it('end under a pause, and what follows begins after it', async () => {
    const stage = await beginsToWait('wait_for', [saveTo('act', 'success')]);
    await ENDS['wait_for']!(stage);
    await stage.tell('pause');
    expect(stage.stored.row.status).toBe('running');
    await stage.settle(0, null);
    expect(stage.stored.row.status).toBe('paused');
    expect(stage.eventsOf('step_completed')).toHaveLength(1);
    await stage.tell('resume');
    if (stage.stored.token === null) await stage.hold('two');
    expect(stage.stored.row.status).toBe('completed');
  });

  it('are aborted by a cancel', async () => {
    const stage = await beginsToWait('approval', [saveTo('act', 'success')]);
    await ENDS['approval']!(stage);
    await stage.tell('cancel', { reason: null });
    expect(stage.calls[0]!.signal.aborted).toBe(true);
    expect(stage.eventsOf('step_skipped')[0]).toMatchObject({ step: 'start', reason: 'cancelled' });
    expect([stage.stored.row.status, stage.faults]).toEqual(['cancelled', []]);
  });

  it('take no other answer for one to what is asked next', async () => {
    const stage = await beginsToWait('input', [saveTo('act', 'success')], { next: to('start') });
    await stage.tell('signal', { name: 'start', payload: 'first' });
    await stage.tell('signal', { name: 'start', payload: 'second' });
    await stage.hold('two');
    await stage.tell('signal', { name: 'start', payload: 'third' });
    expect(stage.eventsOf('signal_received')).toHaveLength(3);
    await stage.settle(0, null);
    expect(stage.eventsOf('step_waiting').map(({ wave }) => wave)).toEqual([1, 2]);
    expect(stage.calls.map(({ request }) => request)).toEqual(['first']);
  });
});

describe('saves of errors to the world', () => {
  const rejects = (stage: ProgramStage): Promise<void> =>
    stage.tell('approval', { ...DECIDED, decision: decision('reject'), outcome: 'rejected' });
  const passes = (stage: ProgramStage): Promise<void> => stage.advance(2 * SECOND);

  it.each([
    ['an approval that is rejected', 'approval', rejects, 'approval_rejected'],
    ['an approval that expires', 'approval', passes, 'approval_expired'],
    ['a signal that does not come', 'wait_for', passes, 'signal_timeout'],
    ['answers that do not come', 'input', passes, 'signal_timeout'],
  ])('are those of a wait, too: %s', async (_what, wait, ends, code) => {
    const stage = await beginsToWait(
      wait,
      [saveTo('act', 'success'), saveTo('act', 'error', '{{ error.code }}')],
      {},
      wait === 'approval' ? null : 2,
    );
    await ends(stage);
    await stage.hold('two');
    expect([stage.parts, stage.calls.map(({ request }) => request)]).toEqual([
      ['s1', 's1'],
      [code, code],
    ]);
    expect(stage.eventsOf('step_failed')).toEqual([]);
    await stage.settle(1, null);
    expect(stage.eventsOf('step_failed')[0]).toMatchObject({ step: 'start', error: { code }, handled: false, saves: [SUCCESS] });
    expect([stage.stored.row.status, stage.faults]).toEqual(['failed', []]);
  });

  it('come before on_timeout', async () => {
    const stage = await beginsToWait(
      'wait_for',
      [saveTo('act', 'error', '{{ error.code }}'), saveTo('event_log', 'always')],
      { onTimeout: { step: 'late', data: {} } },
      2,
    );
    await passes(stage);
    await stage.hold('two');
    await stage.settle(1, null);
    expect(stage.eventsOf('step_timed_out')[0]).toMatchObject({
      step: 'start',
      error: { code: 'signal_timeout' },
      edges: [{ to: 'late' }],
      saves: [
        { ...SUCCESS, data: 'signal_timeout' },
        { storage: 'event_log', status: 'success', data: null },
      ],
    });
    expect([stage.stored.row.status, stage.calls.length, stage.faults]).toEqual(['completed', 2, []]);
  });

  it.each([
    ['of an action', anAction({ save: [saveTo('act', 'error')] })],
    ['of an action with saves of its value', anAction({ save: [saveTo('act', 'error'), saveTo('act', 'success')] })],
    ['of a wait', anAction({ ...WAITS['wait'], save: [saveTo('act', 'error')] })],
  ])('are performed where the contract of the value is not kept: %s', async (_what, action) => {
    const assert = { expects: [], returns: [{ path: 'b', type: null }], mode: null };
    const stage = new ProgramStage([
      aStep('start', { action: { ...action, assert }, onError: { kind: 'continue' }, next: to('end') }),
      aStep('end', { result: '{{ start.error }}', hasResult: true }),
    ]);
    await stage.hold('one');
    if (action.type === 'wait') await stage.advance(SECOND);
    else await stage.settle(0, { a: 1 });
    expect(stage.parts.at(-1)).toBe('s0');
    await stage.settle(stage.calls.length - 1, null);
    expect(stage.eventsOf('step_completed')[0]).toMatchObject({ step: 'start', error: { code: 'assert_returns' }, saves: [SUCCESS] });
    expect(stage.stored.result).toBe('The value lacks b.');
    expect(stage.faults).toEqual([]);
  });

  it('are performed where the step fails behind its other saves, each of which is performed once', async () => {
    const save = [saveTo('act', 'success'), saveTo('act', 'always'), saveTo('act', 'error')];
    const stage = new ProgramStage([
      aStep('start', {
        action: anAction({ save }),
        next: [{ kind: 'plain', then: [{ step: 'end', data: { v: '{{ no.such.thing() }}' } }] }],
      }),
      aStep('end'),
    ]);
    await stage.hold('one');
    await stage.settle(0, { a: 1 });
    await stage.settle(1, null);
    await stage.settle(2, null);
    await stage.hold('two');
    expect(stage.parts).toEqual(['-', 's0', 's1', 's2', 's2']);
    await stage.settle(4, null);
    expect(stage.eventsOf('step_failed')[0]).toMatchObject({ step: 'start', saves: [SUCCESS, SUCCESS] });
    expect([stage.calls.length, stage.faults]).toEqual([5, []]);
  });
});

describe(runSave.name, () => {
  it('never says that a save to the world was done', () => {
    const { action } = compiled([aStep('start', { action: anAction({ save: [saveTo('act', 'success')] }) }), aStep('end')]).entry;
    const rendering = new Rendering(new Moment(simulatedWorld()));
    const scope = { lookup: () => undefined, forSaveData: () => scope };
    expect(() => runSave(action!.saves[0]!, null, scope, rendering)).toThrow('a save to act');
  });
});

function compiledOf(wait: string): ReturnType<typeof compiled> {
  return compiled([
    aStep('start', { action: anAction({ ...WAITS[wait], save: [saveTo('act', 'always'), saveTo('act', 'success')] }), next: to('end') }),
    aStep('late', { data: { why: '{{ error.code }}' }, next: to('end') }),
    aStep('end', { result: '{{ start.meta }}', hasResult: true }),
  ]);
}
