import { anAction } from '../testing/playbook-builder.js';
import { CALL, iteratorOf, RETRY, RETRY_MS, stageOf } from '../testing/program-actions.js';
import { PARK_AFTER_MS } from '../testing/program-stage.js';

describe('a program under a pause', () => {
  it('hears of a cancel while an item is still under way', async () => {
    const stage = stageOf(iteratorOf([1, 2, 3, 4], anAction(), { mode: 'async', concurrency: 2 }));
    await stage.hold('one');
    await stage.tell('pause');
    await stage.settle(0, 'done');
    expect(stage.parts).toEqual(['0', '1']);
    expect(stage.ends).toEqual([]);
    await stage.tell('cancel');
    expect(stage.calls[1]!.signal.aborted).toBe(true);
    expect(stage.ends).toEqual(['ended']);
    expect(stage.stored.row.status).toBe('cancelled');
    expect(stage.parts).toEqual(['0', '1']);
  });

  it.each([
    ['cancel', 'resume'],
    ['resume', 'cancel'],
  ] as const)('who claims it for a %s and a %s ends it, and makes nothing of it again', async (first, second) => {
    const stage = stageOf(iteratorOf([1, 2], anAction()));
    await stage.hold('one');
    await stage.tell('pause');
    await stage.settle(0, 'done');
    expect(stage.eventsOf('action_held')).toHaveLength(1);
    expect(stage.ends).toEqual(['released']);
    await stage.tell(first);
    await stage.tell(second);
    await stage.hold('two');
    expect(stage.faults).toEqual([]);
    expect(stage.stored.row.status).toBe('cancelled');
    expect(stage.parts).toEqual(['0']);
  });

  it('an item that was under way when its holder died comes to its end, and no other begins', async () => {
    const stage = stageOf(iteratorOf([1, 2], anAction()));
    await stage.hold('one');
    await stage.tell('pause', {}, false);
    await stage.hold('two');
    expect(stage.parts).toEqual(['0', '0']);
    await stage.settle(1, 'first');
    expect(stage.stored.row.status).toBe('paused');
    expect(stage.eventsOf('action_held')).toHaveLength(1);
    await stage.tell('resume');
    await stage.hold('three');
    await stage.settle(2, 'second');
    expect(stage.parts).toEqual(['0', '0', '1']);
    expect(stage.stored).toMatchObject({ row: { status: 'completed' }, result: ['first', 'second'] });
    expect(stage.faults).toEqual([]);
  });

  it('a task of an item that was under way when its holder died comes to its end, and what is between two of them begins nothing', async () => {
    const tasks = [anAction(), anAction(), anAction()];
    const stage = stageOf({ ...iteratorOf([1], anAction()), tasks });
    await stage.hold('one');
    await stage.settle(0, 'a');
    expect(stage.parts).toEqual(['0/t0', '0/t1']);
    await stage.tell('pause', {}, false);
    await stage.hold('two');
    expect(stage.parts).toEqual(['0/t0', '0/t1', '0/t1']);
    await stage.settle(2, 'b');
    expect(stage.stored.row.status).toBe('paused');
    await stage.tell('resume');
    await stage.hold('three');
    await stage.settle(3, 'c');
    expect(stage.parts).toEqual(['0/t0', '0/t1', '0/t1', '0/t2']);
    expect(stage.stored).toMatchObject({ row: { status: 'completed' }, result: ['c'] });
  });

  it.each([
    ['another item is still under way', anAction()],
    ['another call is still under way', CALL],
  ])('an item that was held back begins with the resume, also where %s', async (_what, task) => {
    const stage = stageOf(iteratorOf([1, 2, 3], task, { mode: 'async', concurrency: 2 }));
    const begun = (): number => stage.calls.length + stage.prepared.length;
    await stage.hold('one');
    await stage.tell('pause');
    if (task === CALL) await stage.tellEnd(0, { status: 'completed', result: 'a' });
    else await stage.settle(0, 'a');
    expect(begun()).toBe(2);
    await stage.tell('resume');
    expect(begun()).toBe(3);
    for (const [at, result] of [
      [2, 'c'],
      [1, 'b'],
    ] as const) {
      if (task === CALL) await stage.tellEnd(at, { status: 'completed', result });
      else await stage.settle(at, result);
    }
    expect(stage.stored).toMatchObject({ row: { status: 'completed' }, result: ['a', 'b', 'c'] });
    expect([stage.faults, stage.eventsOf('action_held')]).toEqual([[], []]);
    expect(begun()).toBe(3);
  });

  it('the next attempt of an item does not begin before the resume', async () => {
    const stage = stageOf(iteratorOf([1], anAction({ retry: RETRY })), {}, null);
    await stage.hold('one');
    await stage.settle(0, new Error('no'));
    expect(stage.eventsOf('action_retry')).toMatchObject([{ path: '0', dueAt: stage.clock.now() + RETRY_MS }]);
    await stage.tell('pause');
    await stage.advance(10 * RETRY_MS);
    expect(stage.calls).toHaveLength(1);
    expect(stage.stored.row.status).toBe('paused');
    await stage.tell('resume');
    expect(stage.calls).toMatchObject([{ attempt: 1 }, { attempt: 2, idempotencyKey: stage.calls[0]!.idempotencyKey }]);
    await stage.settle(1, 'done');
    expect(stage.stored).toMatchObject({ row: { status: 'completed' }, result: ['done'] });
  });

  it.each([
    ['by the same holder', null],
    ['by another one', PARK_AFTER_MS],
  ])('a second attempt that is held is made once after the resume, %s', async (_by, parkAfterMs) => {
    const stage = stageOf({ ...iteratorOf([1, 2], anAction(), {}, RETRY), timeout: 3_600 }, {}, parkAfterMs);
    await stage.hold('one');
    await stage.settle(0, new Error('no'));
    await stage.advance(RETRY_MS);
    expect(stage.parts).toEqual(['0', '0']);
    await stage.tell('pause');
    await stage.settle(1, 'first');
    expect(stage.stored.row.status).toBe('paused');
    expect(stage.eventsOf('action_held')).toHaveLength(1);
    await stage.tell('resume');
    if (parkAfterMs !== null) await stage.hold('two');
    await stage.advance(10 * RETRY_MS);
    expect(stage.parts).toEqual(['0', '0', '1']);
    await stage.settle(2, 'second');
    expect(stage.stored).toMatchObject({ row: { status: 'completed' }, result: ['first', 'second'] });
    expect(stage.parts).toEqual(['0', '0', '1']);
    // A second program beside it would never end, and its time-out would go on.
    expect(stage.clock.size).toBe(0);
  });
});
