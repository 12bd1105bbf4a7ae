import { type BornChild, type EngineParent, type InboxMessage, type NewRun } from '../ports.js';
import { CANCEL_UNREAD, COMMITTED, type RunStoreHarness } from './run-store-harness.js';
import { calledRun, CANCELLED, COMPLETED, FAILED, RUNNING, ScriptedRun, stepEvent, TEST_TENANT } from './scripted-run.js';

/** What every RunStore promises of runs that a run calls: they are born with a unit of it, and it is told of their ends. */
export function describeCalledRuns(
  harnessOf: () => RunStoreHarness,
  born: (changes?: Partial<NewRun>) => ScriptedRun,
  nextId: () => string,
): void {
  describe('called runs', () => {
    let harness: RunStoreHarness;
    beforeAll(() => {
      harness = harnessOf();
    });

    const calling = (run: ScriptedRun, changes: Partial<EngineParent> = {}, token: string | null = crypto.randomUUID()): BornChild => ({
      run: calledRun(nextId(), run.run, changes),
      token,
      ended: null,
    });
    const endedChild = (run: ScriptedRun, changes: Partial<EngineParent> = {}): BornChild => ({
      ...calling(run, changes, null),
      ended: {
        status: 'completed',
        events: [{ type: 'execution_started' }, { type: 'execution_completed' }],
        row: COMPLETED,
        result: { sum: 3 },
        characters: 0,
      },
    });
    const taken = (child: BornChild): ScriptedRun => {
      const run = new ScriptedRun(harness.store, child.run, child.token);
      run.lastSeq = 1;
      return run;
    };
    const inboxOf = async (run: ScriptedRun): Promise<readonly InboxMessage[]> => harness.store.readInbox(TEST_TENANT, run.runId, 0);

    it.each([
      ['its first', true],
      ['a later', false],
    ])('lets called runs be born with %s unit of their caller, here and for whoever has room', async (_name, first) => {
      const run = born();
      if (!first) await run.create();
      const here = calling(run, { item: '0' });
      const queued = calling(run, { item: '1' }, null);
      const unit = { events: [stepEvent('a')], children: [here, queued] };
      expect(await (first ? run.create(unit) : run.write(unit))).toEqual(COMMITTED);
      const events = [{ type: 'execution_started' }];
      expect(await harness.read(here.run.id)).toMatchObject({
        token: here.token,
        row: { status: 'running' },
        lastSeq: 1,
        events,
        wakeAt: null,
      });
      expect(await harness.read(queued.run.id)).toMatchObject({ token: null, row: { status: 'pending' }, lastSeq: 1, events });
      expect((await harness.read(queued.run.id))?.wakeAt).toEqual(expect.any(Number));
      expect(await taken(here).write({ events: [stepEvent('b')] })).toEqual(COMMITTED);
    });

    it('stores no called run of a holder that lost its lease', async () => {
      const run = born();
      await run.create();
      await harness.claim(run.runId, crypto.randomUUID());
      const child = calling(run);
      expect(await run.write({ events: [stepEvent('a')], children: [child] })).toEqual({ kind: 'lost' });
      expect(await harness.read(child.run.id)).toBeNull();
    });

    it('lets nothing be called once a cancel is acknowledged, read or not', async () => {
      const run = born();
      await run.create();
      const child = calling(run);
      await harness.deliver(TEST_TENANT, run.runId, 'cancel', {});
      const unit = { events: [stepEvent('a')], children: [child] };
      expect(await run.write(unit)).toEqual({ kind: 'inbox_moved' });
      expect(await run.write({ ...unit, seenInbox: 1 })).toMatchObject({ kind: 'refused' });
      expect(await harness.read(run.runId)).toMatchObject({ lastSeq: 1, token: run.token });
      expect(await run.write({ events: [stepEvent('a')], seenInbox: 1 })).toEqual(COMMITTED);
      expect(await harness.read(child.run.id)).toBeNull();
    });

    it.each([
      ['its first', true],
      ['a later', false],
    ])('stores called runs that have ended whole with %s unit of their caller, and tells nobody', async (_name, first) => {
      const run = born();
      if (!first) await run.create();
      const child = endedChild(run);
      const unit = { events: [stepEvent('a')], children: [child] };
      expect(await (first ? run.create(unit) : run.write(unit))).toEqual(COMMITTED);
      expect(await harness.read(child.run.id)).toMatchObject({
        token: null,
        row: COMPLETED,
        lastSeq: 2,
        events: [{ type: 'execution_started' }, { type: 'execution_completed' }],
        wakeAt: null,
        result: { sum: 3 },
      });
      expect(await harness.read(run.runId)).toMatchObject({ inboxSeq: 0, token: run.token });
      expect(await inboxOf(run)).toEqual([]);
    });

    it('a cancel holds off none that have ended, unless another of the unit is still to begin; a lost lease all', async () => {
      const run = born();
      await run.create();
      await harness.deliver(TEST_TENANT, run.runId, 'cancel', {});
      const [ended, begins] = [endedChild(run, { item: '0' }), calling(run, { item: '1' })];
      expect(await run.write({ events: [stepEvent('a')], children: [ended, begins] })).toEqual({ kind: 'inbox_moved' });
      expect(await harness.read(ended.run.id)).toBeNull();
      expect(await run.write({ events: [stepEvent('a')], children: [ended] })).toEqual(CANCEL_UNREAD);
      expect(await harness.read(ended.run.id)).toMatchObject({ row: COMPLETED });
      await harness.claim(run.runId, crypto.randomUUID());
      const late = endedChild(run, { item: '2' });
      expect(await run.write({ events: [stepEvent('b')], children: [late] })).toEqual({ kind: 'lost' });
      expect(await harness.read(late.run.id)).toBeNull();
    });

    it('lets be called what undoes, also once a cancel is acknowledged, but nothing together with it that does not', async () => {
      const run = born();
      await run.create();
      await harness.deliver(TEST_TENANT, run.runId, 'cancel', {});
      const undoing: BornChild = { ...calling(run, { step: 'call.compensate' }), undoes: true };
      const other = calling(run);
      expect(await run.write({ events: [stepEvent('a')], children: [undoing, other] })).toEqual({ kind: 'inbox_moved' });
      expect(await harness.read(undoing.run.id)).toBeNull();
      expect(await run.write({ events: [stepEvent('a')], children: [undoing] })).toEqual(CANCEL_UNREAD);
      expect(await harness.read(undoing.run.id)).toMatchObject({ token: undoing.token, row: { status: 'running' } });
      expect(await harness.read(other.run.id)).toBeNull();
    });

    it('refuses a second call from the same place, and a call that no event tells of', async () => {
      const run = born();
      await run.create();
      for (const item of [null, '3']) {
        expect(await run.write({ events: [stepEvent('a')], children: [calling(run, { item })] })).toEqual(COMMITTED);
        const twin = calling(run, { item });
        expect(await run.write({ events: [stepEvent('a')], children: [twin] })).toMatchObject({ kind: 'refused' });
        expect(await harness.read(twin.run.id)).toBeNull();
      }
      expect(await run.write({ events: [stepEvent('a')], children: [calling(run, { wave: 2 })] })).toEqual(COMMITTED);
      expect(await run.write({ children: [calling(run, { wave: 3 })] })).toMatchObject({ kind: 'refused' });
      expect(await harness.read(run.runId)).toMatchObject({ lastSeq: 4 });
    });

    it('takes a parent that a caller names for a label: any number of runs, and nothing is told', async () => {
      const run = born();
      await run.create();
      for (const _twin of [1, 2]) {
        const labelled = born({ parentExecutionId: run.runId, parentStep: 'call' });
        await labelled.create();
        expect(await labelled.write({ row: COMPLETED, end: { result: 1 } })).toEqual(COMMITTED);
      }
      expect(await harness.read(run.runId)).toMatchObject({ inboxSeq: 0, token: run.token });
    });

    it('tells the caller of each end, once, whether it is held or asleep', async () => {
      const run = born();
      await run.create();
      const children = ['0', '1', '2'].map((item) => calling(run, { item }));
      await run.write({ events: [stepEvent('a')], children });
      const [first, second, third] = children.map(taken) as [ScriptedRun, ScriptedRun, ScriptedRun];
      await first.write({ row: COMPLETED, end: { result: { sum: 3 } } });
      const about = { step: 'call', wave: 1 };
      const one = { ...about, child_id: first.runId, item: '0', status: 'completed', error: null, result: { sum: 3 } };
      expect(await inboxOf(run)).toEqual([{ inboxSeq: 1, kind: 'child_ended', payload: one }]);
      expect(await harness.read(run.runId)).toMatchObject({ inboxSeq: 1, token: run.token, lastSeq: 2 });
      // Nobody may sleep through it.
      expect(await run.write({ events: [stepEvent('b')], release: { wakeAt: null } })).toEqual({ kind: 'inbox_moved' });
      expect(await run.write({ events: [stepEvent('b')], release: { wakeAt: null }, seenInbox: 1 })).toEqual(COMMITTED);
      expect(await harness.read(run.runId)).toMatchObject({ token: null, wakeAt: null });
      await Promise.all([
        second.write({ row: FAILED, end: { result: null } }),
        third.write({ row: COMPLETED, end: { result: 'x'.repeat(20_000) } }),
      ]);
      const messages = await inboxOf(run);
      expect(messages.map(({ inboxSeq }) => inboxSeq)).toEqual([2, 3]);
      const two = { ...about, child_id: second.runId, item: '1', status: 'failed', error: FAILED.error, result: null };
      const three = { ...about, child_id: third.runId, item: '2', status: 'completed', error: null };
      expect(messages.map(({ payload }) => payload)).toEqual(expect.arrayContaining([two, three]));
      expect(await harness.read(run.runId)).toMatchObject({ inboxSeq: 3, token: null, row: RUNNING });
      expect((await harness.read(run.runId))?.wakeAt).toEqual(expect.any(Number));
    });

    it('tells nothing of an end that a fence held off', async () => {
      const run = born();
      await run.create();
      const child = calling(run);
      await run.write({ events: [stepEvent('a')], children: [child] });
      const thief = crypto.randomUUID();
      await harness.claim(child.run.id, thief);
      expect(await taken(child).write({ row: COMPLETED, end: { result: 1 } })).toEqual({ kind: 'lost' });
      expect(await inboxOf(run)).toEqual([]);
      await taken({ ...child, token: thief }).write({ row: CANCELLED, end: { result: null } });
      expect((await inboxOf(run)).map(({ payload }) => payload['status'])).toEqual(['cancelled']);
    });

    it('leaves a caller alone that is over', async () => {
      const run = born();
      await run.create();
      const child = calling(run);
      await run.write({ events: [stepEvent('a')], children: [child] });
      await run.write({ row: COMPLETED, end: { result: 1 } });
      expect(await taken(child).write({ row: COMPLETED, end: { result: 2 } })).toEqual(COMMITTED);
      expect(await harness.read(run.runId)).toMatchObject({ inboxSeq: 0, wakeAt: null, result: 1 });
      expect(await inboxOf(run)).toEqual([]);
    });

    it('keeps apart what a caller writes and what it is told at the same moment', async () => {
      const runs = Array.from({ length: 50 }, () => born());
      await Promise.all(runs.map(async (run) => run.create()));
      const families = runs.map((run) => ({ run, children: ['0', '1', '2'].map((item) => calling(run, { item })) }));
      await Promise.all(families.map(async ({ run, children }) => run.write({ events: [stepEvent('a')], children })));
      const outcomes = await Promise.all(
        families.flatMap(({ run, children }) => [
          ...children.map(async (child) => taken(child).write({ row: COMPLETED, end: { result: 1 } })),
          run.write({ events: [stepEvent('b')] }),
        ]),
      );
      expect(outcomes.every(({ kind }) => kind === 'committed')).toBe(true);
      for (const { run } of families) {
        expect(await harness.read(run.runId)).toMatchObject({ inboxSeq: 3, lastSeq: 3, token: run.token });
        expect((await inboxOf(run)).map(({ inboxSeq }) => inboxSeq)).toEqual([1, 2, 3]);
      }
    });
  });
}
