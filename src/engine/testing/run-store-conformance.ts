import { type BornChild, type EngineParent, type InboxMessage, type UnitOutcome } from '../ports.js';
import { SNAPSHOT_EVERY } from '../run/snapshot.js';
import { type JsonObject } from '../values.js';
import { type ApprovalHarness, describeApprovals } from './approvals-conformance.js';
import { type StoredRun } from './memory-run-store.js';
import { calledRun, CANCELLED, COMPLETED, FAILED, newRun, RUNNING, ScriptedRun, stepEvent, TEST_TENANT } from './scripted-run.js';

/** A store under test, and what the world does to it from outside. */
export interface RunStoreHarness extends ApprovalHarness {
  deliver(tenantId: string, runId: string, kind: InboxMessage['kind'], payload: JsonObject): Promise<unknown>;
  /** Gives the lease to another token. */
  claim(runId: string, token: string): Promise<void>;
  read(runId: string): Promise<StoredRun | null>;
  close(): Promise<void>;
}

const COMMITTED = { kind: 'committed', at: expect.any(Number) as number };
const CANCEL_UNREAD = { ...COMMITTED, cancelUnread: true };

/** What every RunStore promises its runs (durability protocol: fences, inbox, outcomes). */
export function describeRunStore(name: string, factory: () => Promise<RunStoreHarness>): void {
  describe(name, () => {
    let harness: RunStoreHarness;
    let lastId = BigInt(Date.now());
    const nextId = (): string => String(++lastId);
    const born = (changes: Parameters<typeof newRun>[1] = {}): ScriptedRun =>
      new ScriptedRun(harness.store, newRun(nextId(), changes), crypto.randomUUID());

    beforeAll(async () => {
      harness = await factory();
    });
    afterAll(async () => harness.close());

    it('stores a run that ends in its first unit, in its final state', async () => {
      const run = born();
      const outcome = await run.create({
        events: [{ type: 'execution_started' }, stepEvent('a'), { type: 'execution_completed' }],
        row: COMPLETED,
        end: { result: { sum: 3, text: 'ünï"\\code' } },
      });
      expect(outcome).toEqual(COMMITTED);
      expect(await harness.read(run.runId)).toMatchObject({
        row: COMPLETED,
        events: [{ type: 'execution_started' }, stepEvent('a'), { type: 'execution_completed' }],
        lastSeq: 3,
        token: null,
        wakeAt: null,
        result: { sum: 3, text: 'ünï"\\code' },
      });
    });

    it('appends, keeps the lease, and ends with a result that may be null', async () => {
      const run = born();
      expect(await run.create()).toEqual(COMMITTED);
      const waitingFor = { kind: 'timer' as const, name: 'a', since: 1, until: 2 };
      expect(await run.write({ events: [stepEvent('a')], row: { ...RUNNING, progress: 40, waitingFor } })).toEqual(COMMITTED);
      expect(await harness.read(run.runId)).toMatchObject({
        row: { progress: 40, waitingFor },
        lastSeq: 2,
        token: run.token,
        result: undefined,
      });
      expect(await run.write({ events: [{ type: 'execution_completed' }], row: COMPLETED, end: { result: null } })).toEqual(COMMITTED);
      expect(await harness.read(run.runId)).toMatchObject({ row: COMPLETED, lastSeq: 3, token: null, wakeAt: null, result: null });
    });

    it('never goes back in time', async () => {
      const run = born();
      const times = [await run.create(), await run.write({ events: [stepEvent('a')] }), await run.write({ events: [stepEvent('b')] })];
      const at = times.map((outcome) => (outcome.kind === 'committed' ? outcome.at : NaN));
      expect(at).toEqual([...at].sort((a, b) => a - b));
    });

    it('stores a run without a holder, due at once', async () => {
      const run = new ScriptedRun(harness.store, newRun(nextId()), null);
      const pending = { status: 'pending' as const, progress: 0, currentStep: null, waitingFor: null, error: null };
      expect(await run.create({ row: pending })).toEqual(COMMITTED);
      const stored = await harness.read(run.runId);
      expect(stored).toMatchObject({ token: null, row: pending, lastSeq: 1 });
      expect(stored?.wakeAt).toEqual(expect.any(Number));
    });

    it('releases with and without a due time', async () => {
      for (const wakeAt of [Date.UTC(2031, 0, 1), null]) {
        const run = born();
        await run.create();
        expect(await run.write({ events: [stepEvent('a')], release: { wakeAt } })).toEqual(COMMITTED);
        expect(await harness.read(run.runId)).toMatchObject({ token: null, wakeAt, lastSeq: 2 });
      }
    });

    it('tells the former holder that it lost, and keeps nothing of what it wrote', async () => {
      const run = born();
      await run.create();
      const thief = crypto.randomUUID();
      await harness.claim(run.runId, thief);
      expect(await run.write({ events: [stepEvent('zombie')] })).toEqual({ kind: 'lost' });
      expect(await run.write({ events: [stepEvent('zombie')], row: COMPLETED, end: { result: 1 } })).toEqual({ kind: 'lost' });
      expect(await harness.read(run.runId)).toMatchObject({
        lastSeq: 1,
        token: thief,
        row: RUNNING,
        events: [{ type: 'execution_started' }],
      });
    });

    it('keeps apart two holders that write at the same moment', async () => {
      const zombie = born();
      await zombie.create();
      const holder = new ScriptedRun(harness.store, zombie.run, crypto.randomUUID());
      holder.lastSeq = 1;
      await harness.claim(zombie.runId, holder.token ?? '');
      const outcomes = await Promise.all([
        zombie.write({ events: [stepEvent('zombie')] }),
        holder.write({ events: [stepEvent('holder')] }),
      ]);
      expect(outcomes).toEqual([{ kind: 'lost' }, COMMITTED]);
      expect((await harness.read(zombie.runId))?.events).toEqual([{ type: 'execution_started' }, stepEvent('holder')]);
    });

    it('loses a unit that expects another history', async () => {
      const run = born();
      await run.create();
      run.lastSeq = 5;
      expect(await run.write({ events: [stepEvent('a')] })).toEqual({ kind: 'lost' });
    });

    it.each([
      ['end', { row: COMPLETED, end: { result: 1 } }],
      ['release', { release: { wakeAt: null } }],
    ])('holds off the %s of a run with unread inbox, which stays ours', async (_name, leaving) => {
      const run = born();
      await run.create();
      await harness.deliver(TEST_TENANT, run.runId, 'signal', { n: 1 });
      expect(await run.write({ events: [stepEvent('a')] })).toEqual(COMMITTED);
      expect(await run.write({ events: [stepEvent('b')], ...leaving })).toEqual({ kind: 'inbox_moved' });
      expect(await harness.read(run.runId)).toMatchObject({ token: run.token, lastSeq: 2, row: RUNNING });
      expect(await harness.store.readInbox(TEST_TENANT, run.runId, 0)).toEqual([{ inboxSeq: 1, kind: 'signal', payload: { n: 1 } }]);
      expect(await harness.store.readInbox('other', run.runId, 0)).toEqual([]);
      expect(await run.write({ events: [stepEvent('b')], seenInbox: 1, ...leaving })).toEqual(COMMITTED);
      expect(await harness.read(run.runId)).toMatchObject({ token: null, inboxConsumed: 1, wakeAt: null });
    });

    it('keeps a message until a unit that has seen it is stored', async () => {
      const run = born();
      await run.create();
      for (const n of [1, 2, 3]) await harness.deliver(TEST_TENANT, run.runId, 'signal', { n });
      const unread = async (): Promise<unknown[]> =>
        (await harness.store.readInbox(TEST_TENANT, run.runId, 0)).map(({ payload }) => payload['n']);
      await run.write({ events: [stepEvent('a')] });
      expect(await unread()).toEqual([1, 2, 3]);
      const thief = new ScriptedRun(harness.store, run.run, crypto.randomUUID());
      await thief.write({ events: [stepEvent('zombie')], seenInbox: 3 });
      expect(await unread()).toEqual([1, 2, 3]);
      await run.write({ events: [stepEvent('b')], seenInbox: 2 });
      expect(await unread()).toEqual([3]);
      await run.write({ row: COMPLETED, end: { result: 1 }, seenInbox: 3 });
      expect(await unread()).toEqual([]);
    });

    it('keeps the newest snapshot of a run until it ends', async () => {
      const run = born();
      await run.create();
      // Past the number of events from which on there can be any.
      const many = Array.from({ length: SNAPSHOT_EVERY }, (_, n) => stepEvent(`a${n}`));
      await run.write({ events: many, snapshot: '{"n":1,"text":"ünï\\u001f"}' });
      const first = { seq: SNAPSHOT_EVERY + 1, state: { n: 1, text: 'ünï\u001f' } };
      expect((await harness.read(run.runId))?.snapshot).toEqual(first);
      await run.write({ events: [stepEvent('b')] });
      const thief = new ScriptedRun(harness.store, run.run, crypto.randomUUID());
      thief.lastSeq = run.lastSeq;
      await thief.write({ events: [stepEvent('zombie')], snapshot: '{"n":0}' });
      expect((await harness.read(run.runId))?.snapshot).toEqual(first);
      await run.write({ events: [stepEvent('c')], snapshot: '{"n":2}', release: { wakeAt: null } });
      expect((await harness.read(run.runId))?.snapshot).toEqual({ seq: SNAPSHOT_EVERY + 3, state: { n: 2 } });
      await harness.claim(run.runId, run.token ?? '');
      // Nothing was added since: the same place in the history, written again.
      await run.write({ snapshot: '{"n":3}' });
      expect((await harness.read(run.runId))?.snapshot).toEqual({ seq: SNAPSHOT_EVERY + 3, state: { n: 3 } });
      await run.write({ row: COMPLETED, end: { result: 1 } });
      expect((await harness.read(run.runId))?.snapshot).toBeNull();
    });

    it('lets nothing but CANCELLED end a run once its cancel is acknowledged', async () => {
      const run = born();
      await run.create();
      await harness.deliver(TEST_TENANT, run.runId, 'cancel', {});
      expect(await run.write({ row: COMPLETED, end: { result: 1 } })).toEqual({ kind: 'inbox_moved' });
      expect(await run.write({ seenInbox: 1, row: COMPLETED, end: { result: 1 } })).toMatchObject({ kind: 'refused' });
      expect(await run.write({ seenInbox: 1, row: CANCELLED, end: { result: null } })).toEqual(COMMITTED);
    });

    it('refuses a second execution with the same id', async () => {
      const run = born();
      await run.create();
      const twin = new ScriptedRun(harness.store, run.run, crypto.randomUUID());
      expect(await twin.create()).toMatchObject({ kind: 'refused' });
      expect(await harness.read(run.runId)).toMatchObject({ token: run.token, lastSeq: 1 });
    });

    describeApprovals(() => harness, born, nextId);

    it('stores a thousand runs at once without gaps, each asked once per unit', async () => {
      const runs = Array.from({ length: 1000 }, () => born());
      const outcomes: UnitOutcome[] = await Promise.all(
        runs.map(async (run) => {
          const [, last] = await Promise.all([run.create(), run.write({ events: [stepEvent('a'), stepEvent('b')] })]);
          return last;
        }),
      );
      expect(outcomes.every((outcome) => outcome.kind === 'committed')).toBe(true);
      for (const run of runs.slice(0, 50)) expect((await harness.read(run.runId))?.events).toHaveLength(3);
      expect(runs.every((run) => run.taken === 2 && run.lastSeq === 3)).toBe(true);
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

    it('says with every stored unit that a cancel was acknowledged which its run has not read, and of nothing else', async () => {
      const run = born();
      await run.create();
      await harness.deliver(TEST_TENANT, run.runId, 'signal', {});
      expect(await run.write({ events: [stepEvent('a')] })).toEqual(COMMITTED);
      await harness.deliver(TEST_TENANT, run.runId, 'cancel', {});
      const neighbour = born();
      await neighbour.create();
      const [told, spared] = await Promise.all([
        run.write({ events: [stepEvent('b')], seenInbox: 1 }),
        neighbour.write({ events: [stepEvent('a')] }),
      ]);
      expect(told).toEqual(CANCEL_UNREAD);
      expect(spared).toEqual(COMMITTED);
      expect(await run.write({ events: [stepEvent('c')], seenInbox: 2 })).toEqual(COMMITTED);
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
