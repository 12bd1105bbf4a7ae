import { type Retry } from '../playbook/playbook.js';
import { type NewRun } from '../ports.js';
import { aStep, anAction, to } from '../testing/playbook-builder.js';
import { CALL, iteratorOf, MINUTE, RETRY, RETRY_MS, stageOf } from '../testing/program-actions.js';
import { PARK_AFTER_MS, ProgramStage } from '../testing/program-stage.js';

const START = Date.UTC(2026, 0, 1);

describe('a caller that has left memory', () => {
  const parked = async (run: Partial<NewRun> = {}, timeout: number | null = null): Promise<ProgramStage> => {
    const stage = stageOf({ ...CALL, timeout }, run);
    await stage.hold('one');
    expect(stage.ends).toEqual([]);
    await stage.advance(PARK_AFTER_MS);
    expect(stage.ends).toEqual(['released']);
    expect(stage.stored).toMatchObject({ token: null, row: { status: 'running', waitingFor: { kind: 'child', name: 'start' } } });
    return stage;
  };

  /** Claims it, and sees that what it called is asked to end before it ends itself. */
  const endsAfterItsChild = async (stage: ProgramStage): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    stage.cancelStored = promise;
    await stage.hold('two');
    expect(stage.cancelled).toEqual([stage.prepared[0]!.id]);
    expect(stage.ends).toEqual(['released']);
    expect(stage.stored.result).toBeUndefined();
    resolve();
    await stage.rest();
    expect(stage.ends).toEqual(['released', 'ended']);
    expect(stage.cancelled).toEqual([stage.prepared[0]!.id]);
    expect([stage.prepared.length, stage.faults]).toEqual([1, []]);
  };

  it.each([
    ['one', CALL],
    ['the last of an iterator', iteratorOf([1], CALL)],
  ])('stays where it hears of the end of what it called as it leaves: %s', async (_which, action) => {
    const stage = stageOf(action);
    await stage.hold('one');
    const { promise, resolve } = Promise.withResolvers<void>();
    stage.outcomeRead = promise;
    await stage.tellEnd(0, { status: 'completed' }, false);
    await stage.advance(PARK_AFTER_MS);
    expect([...stage.outcomes].sort()).toEqual(['committed', 'inbox_moved']);
    expect(stage.ends).toEqual([]);
    resolve();
    await stage.rest();
    expect(stage.ends).toEqual(['ended']);
    expect(stage.stored.row.status).toBe('completed');
  });

  it('is due at the time-out of its run, and then takes along what it called', async () => {
    const stage = await parked({ timeoutAt: START + MINUTE });
    expect(stage.stored.wakeAt).toBe(START + MINUTE);
    await stage.advance(MINUTE - PARK_AFTER_MS);
    await endsAfterItsChild(stage);
    expect(stage.stored.row).toMatchObject({ status: 'failed', error: { code: 'execution_timeout' } });
  });

  it('is due at the time-out of its step, fails with it, and takes along what it called', async () => {
    const stage = await parked({}, MINUTE / 1000);
    expect(stage.stored.wakeAt).toBe(START + MINUTE);
    await stage.advance(MINUTE - PARK_AFTER_MS);
    await endsAfterItsChild(stage);
    expect(stage.stored.row).toMatchObject({ status: 'failed', error: { code: 'timeout', step: 'start' } });
  });

  it.each([
    ['a call', CALL],
    ['a call of an iterator', iteratorOf([1], CALL)],
  ])('fails with its time-out also where its node was lost after what it called was cancelled for that: %s', async (_which, action) => {
    const stage = stageOf({ ...action, timeout: MINUTE / 1000 }, {}, null);
    await stage.hold('one');
    const { promise } = Promise.withResolvers<void>();
    stage.cancelStored = promise;
    await stage.advance(MINUTE);
    expect(stage.cancelled).toEqual([stage.prepared[0]!.id]);
    await stage.tellEnd(0, { status: 'cancelled' }, false);
    await stage.hold('two');
    expect(stage.stored.row).toMatchObject({ status: 'failed', error: { code: 'timeout', step: 'start' } });
    expect([stage.prepared.length, stage.faults]).toEqual([1, []]);
  });

  describe('in its second attempt', () => {
    const TIMEOUT_MS = 20_000;
    /** Its first call has failed. */
    const failedOnce = async (retry: Partial<Retry> = {}): Promise<ProgramStage> => {
      const stage = stageOf({ ...CALL, timeout: TIMEOUT_MS / 1000, retry: { ...RETRY, maxAttempts: 2, ...retry } });
      await stage.hold('one');
      await stage.advance(1_000);
      await stage.tellEnd(0, { status: 'failed', result: null });
      return stage;
    };
    /** It leaves memory and is claimed when it is due: at its time-out. */
    const timesOut = async (stage: ProgramStage, begunAt: number): Promise<void> => {
      expect(stage.prepared).toHaveLength(2);
      await stage.advance(PARK_AFTER_MS);
      expect(stage.stored).toMatchObject({ token: null, wakeAt: begunAt + TIMEOUT_MS });
      // Whatever wakes it before its time gives it no more of it.
      await stage.hold('early');
      expect(stage.cancelled).toEqual([]);
      await stage.advance(PARK_AFTER_MS);
      expect(stage.stored).toMatchObject({ token: null, wakeAt: begunAt + TIMEOUT_MS });
      await stage.advance(begunAt + TIMEOUT_MS - stage.clock.now());
      await stage.hold('due');
      expect(stage.cancelled).toEqual([stage.prepared[1]!.id]);
      expect(stage.stored.row).toMatchObject({ status: 'failed', error: { code: 'timeout', step: 'start', attempt: 2 } });
      expect([stage.prepared.length, stage.faults]).toEqual([2, []]);
    };

    it('is due at the time-out of that attempt, which begins with it', async () => {
      const stage = await failedOnce();
      await stage.advance(RETRY_MS);
      await timesOut(stage, START + 1_000 + RETRY_MS);
      expect(stage.eventsOf('step_woken')).toEqual([expect.not.objectContaining({ timeoutAt: expect.anything() as unknown })]);
    });

    it('has all of its time where a pause came between the attempts', async () => {
      const stage = await failedOnce();
      await stage.tell('pause');
      expect(stage.stored.row.status).toBe('paused');
      await stage.advance(MINUTE);
      await stage.tell('resume');
      if (stage.stored.token === null) await stage.hold('two');
      await timesOut(stage, START + 1_000 + MINUTE);
    });

    it('has all of its time where nobody held the run when the attempt was due', async () => {
      const stage = await failedOnce({ initialDelay: 10 });
      expect(stage.stored).toMatchObject({ token: null, wakeAt: START + 11_000 });
      await stage.advance(2 * MINUTE);
      expect(stage.prepared).toHaveLength(1);
      await stage.hold('late');
      await timesOut(stage, START + 1_000 + 2 * MINUTE);
    });
  });

  it('has no time of its own where it has no time-out; cancelled it takes along what it called', async () => {
    const stage = await parked();
    expect(stage.stored.wakeAt).toBeNull();
    await stage.tell('cancel', { reason: 'enough' });
    await endsAfterItsChild(stage);
    expect(stage.stored.row).toMatchObject({ status: 'cancelled', error: null });
  });

  it.each([
    ['a call', CALL],
    ['calls of an iterator', iteratorOf([1, 2, 3], CALL, { mode: 'async', concurrency: 2 })],
  ])('takes along what it called where what wakes it makes it fail: %s', async (_which, action) => {
    const stage = new ProgramStage([
      aStep('start', { next: to('loop', 'listens') }),
      aStep('loop', { action }),
      aStep('listens', { action: anAction({ type: 'wait_for', fields: { name: 'go' } }), next: to('refuses') }),
      aStep('refuses', { action: anAction({ type: 'fail', fields: { message: 'no' } }) }),
    ]);
    await stage.hold('one');
    await stage.advance(PARK_AFTER_MS);
    expect(stage.ends).toEqual(['released']);
    await stage.tell('signal', { name: 'go', payload: null });
    await stage.hold('two');
    expect(stage.stored.row).toMatchObject({ status: 'failed', error: { step: 'refuses' } });
    expect(stage.prepared.length).toBe(action === CALL ? 1 : 2);
    expect([...stage.cancelled].sort()).toEqual(stage.prepared.map(({ id }) => id).sort());
    expect([stage.ends, stage.faults]).toEqual([['released', 'ended'], []]);
  });

  it.each<[string, number | null]>([
    ['a cancel', null],
    ['its time-out', START + MINUTE],
  ])('lost while what it called is still to be told of %s, is told by the next holder', async (_what, timeoutAt) => {
    const stage = await parked({ timeoutAt });
    if (timeoutAt === null) await stage.tell('cancel', { reason: 'enough' });
    else await stage.advance(MINUTE - PARK_AFTER_MS);
    stage.cancelStored = new Promise(() => undefined);
    await stage.hold('two');
    // Without the call in its history nobody would know any more whom to tell.
    expect(stage.eventsOf('step_skipped')).toEqual([]);
    stage.cancelStored = Promise.resolve();
    await stage.hold('three');
    expect(stage.cancelled).toEqual([stage.prepared[0]!.id, stage.prepared[0]!.id]);
    expect(stage.ends).toEqual(['released', 'ended']);
    expect([stage.eventsOf('step_skipped').length, stage.faults]).toEqual([1, []]);
  });

  it('leaves alone what it called where its cancel says so', async () => {
    const stage = await parked();
    await stage.tell('cancel', { reason: null, cascade: false });
    await stage.hold('two');
    expect(stage.ends).toEqual(['released', 'ended']);
    expect([stage.cancelled, stage.faults]).toEqual([[], []]);
    expect(stage.stored.row).toMatchObject({ status: 'cancelled', error: null });
  });
});
