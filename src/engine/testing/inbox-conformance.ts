import { type NewRun } from '../ports.js';
import { CANCEL_UNREAD, COMMITTED, type RunStoreHarness } from './run-store-harness.js';
import { CANCELLED, COMPLETED, RUNNING, ScriptedRun, stepEvent, TEST_TENANT } from './scripted-run.js';

/** What every RunStore promises of messages: no run lets go or ends past one, and an acknowledged cancel holds. */
export function describeInbox(harnessOf: () => RunStoreHarness, born: (changes?: Partial<NewRun>) => ScriptedRun): void {
  describe('inbox', () => {
    let harness: RunStoreHarness;
    beforeAll(() => {
      harness = harnessOf();
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

    it('lets nothing but CANCELLED end a run once its cancel is acknowledged', async () => {
      const run = born();
      await run.create();
      await harness.deliver(TEST_TENANT, run.runId, 'cancel', {});
      expect(await run.write({ row: COMPLETED, end: { result: 1 } })).toEqual({ kind: 'inbox_moved' });
      expect(await run.write({ seenInbox: 1, row: COMPLETED, end: { result: 1 } })).toMatchObject({ kind: 'refused' });
      expect(await run.write({ seenInbox: 1, row: CANCELLED, end: { result: null } })).toEqual(COMMITTED);
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
  });
}
