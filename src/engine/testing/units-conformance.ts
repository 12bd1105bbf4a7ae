import { type NewRun, type UnitOutcome } from '../ports.js';
import { SNAPSHOT_EVERY } from '../run/snapshot.js';
import { COMMITTED, type RunStoreHarness } from './run-store-harness.js';
import { COMPLETED, newRun, RUNNING, ScriptedRun, stepEvent } from './scripted-run.js';

/** What every RunStore promises of what its runs write: rows, events and snapshots, under fences. */
export function describeUnits(
  harnessOf: () => RunStoreHarness,
  born: (changes?: Partial<NewRun>) => ScriptedRun,
  nextId: () => string,
): void {
  describe('units', () => {
    let harness: RunStoreHarness;
    beforeAll(() => {
      harness = harnessOf();
    });

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

    it('refuses a second execution with the same id', async () => {
      const run = born();
      await run.create();
      const twin = new ScriptedRun(harness.store, run.run, crypto.randomUUID());
      expect(await twin.create()).toMatchObject({ kind: 'refused' });
      expect(await harness.read(run.runId)).toMatchObject({ token: run.token, lastSeq: 1 });
    });

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
  });
}
