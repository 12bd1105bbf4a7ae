import { type Action, type Retry, type Step } from '../playbook/playbook.js';
import { recordFault } from '../storability.js';
import { aStep, anAction, compiled, to } from '../testing/playbook-builder.js';
import { CALL, iteratorOf, MINUTE, RETRY, RETRY_MS, stageOf } from '../testing/program-actions.js';
import { PARK_AFTER_MS, ProgramStage } from '../testing/program-stage.js';
import { type JsonObject } from '../values.js';
import { runProgram } from './program.js';

describe(runProgram.name, () => {
  describe('a call of what only computes', () => {
    const answers = compiled([aStep('start', { next: to('end') }), aStep('end', { result: { sum: '{{ 1 + 2 }}' }, hasResult: true })]);
    const caller = (called = answers): ProgramStage =>
      new ProgramStage([aStep('start', { action: CALL, next: to('end') }), aStep('end')], {}, PARK_AFTER_MS, called);

    it('has ended when its caller goes on, and is stored with it', async () => {
      const stage = caller();
      await stage.hold('a');
      expect(stage.ends).toEqual(['ended']);
      expect(stage.stored.events.map(({ type }) => type).slice(2, 4)).toEqual(['child_started', 'child_completed']);
      expect(stage.eventsOf('child_completed')).toMatchObject([{ status: 'completed', value: { sum: 3 } }]);
      expect(stage.storedCall(0)).toMatchObject({ row: { status: 'completed', progress: 100 }, result: { sum: 3 }, inboxSeq: 0 });
      expect(
        stage
          .storedCall(0)
          ?.events.map(({ type }) => type)
          .at(-1),
      ).toBe('execution_completed');
    });

    it('fails as one that was begun does', async () => {
      const stage = caller(compiled([aStep('start', { action: anAction({ type: 'fail', fields: { message: 'no', code: 'sold_out' } }) })]));
      await stage.hold('a');
      expect(stage.stored.row).toMatchObject({ status: 'failed', error: { code: 'child_failed' } });
      expect(stage.storedCall(0)?.row).toMatchObject({ status: 'failed', progress: 100, error: { message: 'no' } });
    });

    it.each([
      ['acts', compiled([aStep('start', { action: anAction() })])],
      ['waits', compiled([aStep('start', { action: anAction({ type: 'wait', fields: { duration: 1 } }) })])],
      ['answers with more than can be told', compiled([aStep('start', { result: '{{ "x" * 9000 }}', hasResult: true })])],
    ])('is begun like any other where it %s', async (_why, called) => {
      const stage = caller(called);
      await stage.hold('a');
      expect(stage.eventsOf('child_completed')).toEqual([]);
      expect(stage.storedCall(0)).toMatchObject({ row: { status: 'pending' }, lastSeq: 1 });
    });
  });

  describe('an item that was under way when its holder died', () => {
    const PLAIN = iteratorOf([1, 2, 3], anAction(), { mode: 'async', concurrency: 2 });

    it('comes to its end where another has failed, and no other begins', async () => {
      const stage = stageOf(PLAIN);
      await stage.hold('one');
      await stage.settle(0, new Error('no'));
      expect(stage.ends).toEqual([]);
      await stage.hold('two');
      expect(stage.parts).toEqual(['0', '1', '1']);
      expect(stage.ends).toEqual([]);
      await stage.settle(2, 'second');
      expect(stage.stored.row).toMatchObject({ status: 'failed', error: { step: 'start', item_index: 0 } });
      expect(stage.eventsOf('loop_iteration')).toHaveLength(2);
      expect([stage.calls.length, stage.ends, stage.faults]).toEqual([3, ['ended'], []]);
    });

    it('is awaited where it is a call and another one has failed, also by a caller that has left memory meanwhile', async () => {
      const stage = stageOf(iteratorOf([1, 2, 3], CALL, { mode: 'async', concurrency: 3 }));
      await stage.hold('one');
      await stage.tellEnd(0, { status: 'failed', result: null });
      await stage.advance(PARK_AFTER_MS);
      expect(stage.ends).toEqual(['released']);
      await stage.hold('two');
      await stage.tellEnd(1, { status: 'completed', result: 2 });
      await stage.advance(PARK_AFTER_MS);
      expect(stage.ends).toEqual(['released', 'released']);
      expect(stage.stored.row.status).toBe('running');
      await stage.hold('three');
      await stage.tellEnd(2, { status: 'completed', result: 3 });
      expect(stage.stored.row).toMatchObject({ status: 'failed', error: { code: 'child_failed', item_index: 0 } });
      expect([stage.prepared.length, stage.cancelled, stage.faults]).toEqual([3, [], []]);
    });

    it('comes to its end in a run that has failed, and no other begins', async () => {
      const stage = new ProgramStage([
        aStep('start', { next: to('loop', 'other') }),
        aStep('loop', { action: PLAIN }),
        aStep('other', { action: anAction() }),
      ]);
      await stage.hold('one');
      await stage.settle(0, new Error('boom'));
      await stage.settle(1, 'first');
      await stage.hold('two');
      expect(stage.parts).toEqual(['-', '0', '1', '1']);
      expect(stage.ends).toEqual([]);
      await stage.settle(3, 'second');
      expect(stage.stored.row).toMatchObject({ status: 'failed', error: { step: 'other' } });
      expect(stage.eventsOf('loop_iteration')).toHaveLength(2);
      expect(stage.eventsOf('step_skipped')).toMatchObject([{ step: 'loop', reason: 'failure' }]);
      expect([stage.calls.length, stage.ends, stage.faults]).toEqual([4, ['ended'], []]);
    });
  });

  describe('an item that sleeps between attempts', () => {
    const LONG: Retry = { ...RETRY, initialDelay: MINUTE / 1000 };
    const sleeper = anAction({ retry: LONG });
    const beside = (loop: Action): ProgramStage =>
      new ProgramStage([
        aStep('start', { next: to('loop', 'other') }),
        aStep('loop', { action: loop }),
        aStep('other', { action: anAction() }),
      ]);

    it('does not hold up the end of a run that has failed', async () => {
      const stage = beside(iteratorOf([1], sleeper));
      await stage.hold('one');
      await stage.settle(0, new Error('no'));
      await stage.settle(1, new Error('boom'));
      expect(stage.eventsOf('step_skipped')).toMatchObject([{ step: 'loop', reason: 'failure' }]);
      expect(stage.stored.row).toMatchObject({ status: 'failed', error: { step: 'other' } });
      expect([stage.calls.length, stage.ends, stage.faults, stage.clock.size]).toEqual([2, ['ended'], [], 0]);
    });

    it.each([
      ['succeeds', 'done'],
      ['would be tried again', new Error('no')],
    ])('is not tried again in it, and the one that is under way is awaited: it %s', async (_how, end) => {
      const stage = beside(iteratorOf([1, 2], sleeper, { mode: 'async', concurrency: 2 }));
      await stage.hold('one');
      await stage.settle(0, new Error('no'));
      await stage.settle(2, new Error('boom'));
      expect(stage.ends).toEqual([]);
      expect(stage.calls[1]!.signal.aborted).toBe(false);
      await stage.settle(1, end);
      expect(stage.stored.row).toMatchObject({ status: 'failed', error: { step: 'other' } });
      expect([stage.calls.length, stage.ends, stage.faults, stage.clock.size]).toEqual([3, ['ended'], [], 0]);
    });

    it('is tried again where it undoes what a failed run did', async () => {
      const compensate = { action: iteratorOf([1], anAction({ retry: RETRY })), covers: 'completed' as const };
      const stage = new ProgramStage([
        aStep('start', { action: anAction(), compensate, next: to('other') }),
        aStep('other', { action: anAction() }),
      ]);
      await stage.hold('one');
      await stage.settle(0, 'done');
      await stage.settle(1, new Error('boom'));
      await stage.settle(2, new Error('no'));
      await stage.advance(RETRY_MS - 1);
      expect(stage.calls).toHaveLength(3);
      await stage.advance(1);
      await stage.settle(3, 'undone');
      expect(stage.eventsOf('compensation_completed')).toHaveLength(1);
      expect(stage.stored.row.status).toBe('failed');
    });

    it.each([
      ['is held at once by a pause', false],
      ['is held by who claims its run for a pause', true],
    ])('%s, and is tried again when it is due after the resume', async (_how, isReleased) => {
      const stage = stageOf(iteratorOf([1], sleeper), {}, isReleased ? PARK_AFTER_MS : 2 * MINUTE);
      await stage.hold('one');
      await stage.settle(0, new Error('no'));
      await stage.advance(PARK_AFTER_MS);
      expect(stage.stored.token === null).toBe(isReleased);
      await stage.tell('pause');
      if (isReleased) await stage.hold('two');
      expect(stage.stored).toMatchObject({ token: null, wakeAt: null, row: { status: 'paused' } });
      expect(stage.eventsOf('action_held')).toHaveLength(1);
      expect(stage.clock.size).toBe(0);
      await stage.tell('resume');
      await stage.hold('three');
      await stage.advance(MINUTE - 2 * PARK_AFTER_MS);
      expect(stage.calls).toHaveLength(1);
      await stage.advance(2 * PARK_AFTER_MS);
      if (isReleased) await stage.hold('four');
      expect(stage.calls).toMatchObject([{ attempt: 1 }, { attempt: 2, idempotencyKey: stage.calls[0]!.idempotencyKey }]);
      await stage.settle(1, 'done');
      expect(stage.stored).toMatchObject({ row: { status: 'completed' }, result: ['done'] });
      expect(stage.faults).toEqual([]);
    });

    it('is tried again when it is due where a pause is over before what else is under way', async () => {
      const stage = stageOf(iteratorOf([1, 2], sleeper, { mode: 'async', concurrency: 2 }));
      await stage.hold('one');
      await stage.settle(0, new Error('no'));
      await stage.tell('pause');
      await stage.tell('resume');
      await stage.advance(MINUTE);
      expect(stage.parts).toEqual(['0', '1', '0']);
      await stage.settle(2, 'first');
      await stage.settle(1, 'second');
      expect(stage.stored).toMatchObject({ row: { status: 'completed' }, result: ['first', 'second'] });
      expect([stage.faults, stage.eventsOf('action_held')]).toEqual([[], []]);
    });

    it('leaves what ended beside it under a pause in the history', async () => {
      const loop = iteratorOf([1, 2], sleeper, { mode: 'async', concurrency: 2 });
      const stage = stageOf(loop);
      await stage.hold('one');
      await stage.settle(0, new Error('no'));
      await stage.tell('pause');
      await stage.settle(1, 'second');
      expect(stage.stored.row.status).toBe('paused');
      expect(stage.eventsOf('loop_iteration').flatMap(({ items }) => items)).toMatchObject([{ index: 1, end: { ok: true } }]);
    });
  });

  it('another attempt of an iterator calls anew what failed, under a name of its own, and keeps what was done', async () => {
    const stage = stageOf(iteratorOf([1, 2], CALL, { mode: 'async', concurrency: 2 }, RETRY), {}, null);
    await stage.hold('one');
    expect(stage.prepared.map(({ item }) => item)).toEqual(['0', '1']);
    await stage.tellEnd(1, { status: 'completed', result: 'second' });
    await stage.tellEnd(0, { status: 'failed', result: null });
    await stage.advance(RETRY_MS);
    expect(stage.prepared.map(({ item }) => item)).toEqual(['0', '1', '0#2']);
    await stage.tellEnd(2, { status: 'completed', result: 'first' });
    expect(stage.stored).toMatchObject({ row: { status: 'completed' }, result: ['first', 'second'] });
    expect(stage.prepared).toHaveLength(3);
    expect([stage.outcomes, stage.faults]).toEqual([new Set(['committed']), []]);
  });

  describe('a failure that its author gave a code of ours', () => {
    const failing = (code: string, fields: JsonObject = {}): Action =>
      iteratorOf([1, 2, 3], anAction({ type: 'fail', fields: { code, message: 'no {{ n }}' } }), fields);
    const ends = async (action: Action, onError: Step['onError']): Promise<ProgramStage> => {
      const stage = new ProgramStage([
        aStep('start', { action, onError, next: to('end') }),
        aStep('handler', { data: { saw: '{{ error.code }}' }, next: to('end') }),
        aStep('end', { result: '{{ error.code | default(start) }}', hasResult: true }),
      ]);
      await stage.hold('one');
      expect(stage.faults).toEqual([]);
      return stage;
    };

    it.each(['cancelled', 'loop_limit', 'history_limit', 'timeout'])('is one of its item alone: %s', async (code) => {
      const stage = await ends(failing(code, { on_error: 'continue' }), { kind: 'fail' });
      expect(stage.eventsOf('loop_iteration').flatMap(({ items }) => items.map(({ index }) => index))).toEqual([0, 1, 2]);
      expect(stage.eventsOf('step_completed')[0]).toMatchObject({ value: [null, null, null], itemErrors: [{}, {}, {}] });
      expect(stage.stored.row.status).toBe('completed');
    });

    it.each(['cancelled', 'loop_limit', 'history_limit'])('goes where on_error says: %s', async (code) => {
      const stage = await ends(failing(code), { kind: 'goto', target: { step: 'handler', data: {} } });
      expect(stage.eventsOf('step_failed')[0]).toMatchObject({ error: { code, item_index: 0 }, handled: true });
      expect(stage.eventsOf('step_completed')[0]).toMatchObject({ step: 'handler', value: { saw: code } });
      expect(stage.stored.row.status).toBe('completed');
    });
  });

  describe('a fault of the service in it', () => {
    it.each([
      ['a call', CALL],
      ['an item', iteratorOf([1], anAction({ data: { id: '{{ get_snowflake_id() }}' } }))],
    ])('costs its run this holder and nothing else: %s', async (_what, action) => {
      const stage = stageOf(action);
      stage.mintsIds = false;
      await stage.hold('one');
      expect([stage.ends, stage.faults]).toEqual([['lost'], [expect.objectContaining({ code: 'database_unavailable' })]]);
      expect(stage.eventsOf('step_failed')).toEqual([]);
      stage.mintsIds = true;
      await stage.hold('two');
      expect(stage.prepared.length + stage.calls.length).toBe(1);
      expect([stage.ends.length, stage.faults.length]).toEqual([1, 1]);
    });

    it('leaves alone what it called', async () => {
      const stage = stageOf(anAction({ type: 'playbook', fields: { path: 'called', version: '{{ get_snowflake_id() }}' } }));
      await stage.hold('one');
      stage.mintsIds = false;
      await stage.hold('two');
      expect([stage.ends, stage.cancelled]).toEqual([['lost'], []]);
      stage.mintsIds = true;
      await stage.hold('three');
      await stage.tellEnd(0, { status: 'completed', result: 'done' });
      expect(stage.stored).toMatchObject({ row: { status: 'completed' }, result: 'done' });
    });
  });

  it('a limit of ours is absorbed by nothing, also where saves of the error come first', async () => {
    const save = {
      storage: 'act',
      when: null,
      on: 'error' as const,
      name: null,
      data: '{{ error.code }}',
      auth: null,
      onError: null,
      fields: {},
    };
    const action = { ...iteratorOf('{{ range(100001) | list }}', anAction()), save: [save] };
    const stage = new ProgramStage([aStep('start', { action, onError: { kind: 'continue' }, next: to('end') }), aStep('end')]);
    await stage.hold('one');
    await stage.hold('two');
    expect(stage.calls.map(({ request }) => request)).toEqual(['loop_limit', 'loop_limit']);
    await stage.settle(1, null);
    expect(stage.eventsOf('step_failed')[0]).toMatchObject({ handled: false, saves: [{ status: 'success' }] });
    expect(stage.stored.row).toMatchObject({ status: 'failed', error: { code: 'loop_limit' } });
  });

  it('an item whose request cannot be stored fails alone', async () => {
    const task = anAction({ data: { v: String.raw`{{ n | replace('?', '\x00') }}` } });
    const stage = stageOf(iteratorOf(['a', '?', 'b'], task, { on_error: 'continue' }));
    await stage.hold('one');
    await stage.settle(0, 'first');
    await stage.settle(1, 'third');
    expect(stage.calls.map(({ request }) => request)).toEqual([{ v: 'a' }, { v: 'b' }]);
    expect(stage.stored).toMatchObject({ row: { status: 'completed' }, result: ['first', null, 'third'] });
    expect(stage.eventsOf('loop_iteration').flatMap(({ items }) => items)).toMatchObject([
      { index: 0, end: { ok: true } },
      { index: 1, end: { ok: false, error: { code: 'result_not_storable', item_index: 1 } } },
      { index: 2, end: { ok: true } },
    ]);
    expect([stage.outcomes, stage.faults]).toEqual([new Set(['committed']), []]);
  });

  it('what ends in one turn is told in as many events as it takes for each to be storable', async () => {
    const items = Array.from({ length: 64 }, (_, n) => n);
    const stage = stageOf(iteratorOf(items, anAction(), { mode: 'async', concurrency: 64 }));
    await stage.hold('one');
    expect(stage.calls).toHaveLength(64);
    const large = 'x'.repeat(300_000);
    for (const call of stage.calls) call.settle(large);
    await stage.rest();
    const told = stage.eventsOf('loop_iteration');
    expect(told.length).toBeGreaterThan(1);
    expect(told.map((event) => recordFault(event))).toEqual(told.map(() => null));
    expect(told.flatMap((event) => event.items.map(({ index }) => index))).toEqual(items);
    expect([stage.outcomes, stage.faults]).toEqual([new Set(['committed']), []]);
    // All of it together is no value that a step may have.
    expect(stage.stored.row).toMatchObject({ status: 'failed', error: { code: 'result_too_large' } });
  });

  it('the progress of the run grows with the items that have ended', async () => {
    const stage = stageOf(iteratorOf([1, 2, 3, 4], anAction()));
    await stage.hold('one');
    for (let n = 0; n < 4; n++) await stage.settle(n, n);
    expect(stage.stored.row).toMatchObject({ status: 'completed', progress: 100 });
    expect([...stage.progress]).toEqual(expect.arrayContaining([0, 25, 50, 75, 100]));
    expect([...stage.progress]).toEqual([...stage.progress].sort((a, b) => a - b));
  });
});
