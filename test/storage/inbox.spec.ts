import { randomUUID } from 'node:crypto';
import { CANCELLED, COMPLETED, newRun, ScriptedRun, TEST_TENANT } from '../../src/engine/testing/scripted-run.js';
import { Inbox } from '../../src/storage/inbox.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase, openStorage, readStoredRun, type StorageNode } from '../support/storage.js';

describe(Inbox.name, () => {
  let database: TestDatabase;
  let node: StorageNode;
  let lastId = 9000n;
  const born = (): ScriptedRun => new ScriptedRun(node.store, newRun(String(++lastId)), randomUUID());
  const cancel = (run: ScriptedRun): ReturnType<Inbox['deliver']> => node.inbox.deliver(TEST_TENANT, run.runId, 'cancel', {});

  beforeAll(async () => {
    database = await createMigratedDatabase();
    node = await openStorage(database.url);
  });
  afterAll(async () => {
    await node.close();
    await database.drop();
  });

  it('acknowledges a cancel once, and says that an execution is over or not there', async () => {
    const run = born();
    await run.create();
    expect(await cancel(run)).toEqual({ kind: 'delivered', status: 'running', inboxSeq: 1 });
    expect(await cancel(run)).toEqual({ kind: 'already_so', status: 'running' });
    expect(await readStoredRun(node.db, run.runId)).toMatchObject({
      inboxSeq: 1,
      cancelRequested: true,
      wakeAt: expect.any(Number) as number,
    });
    await run.write({ row: CANCELLED, end: { result: null }, seenInbox: 1 });
    expect(await cancel(run)).toEqual({ kind: 'over', status: 'cancelled' });
    expect(await node.inbox.deliver('someone-else', run.runId, 'signal', {})).toEqual({ kind: 'not_found' });
    expect(await readStoredRun(node.db, run.runId)).toMatchObject({ inboxSeq: 1, wakeAt: null });
  });

  it('numbers concurrent messages without a gap', async () => {
    const run = born();
    await run.create();
    const deliveries = await Promise.all(Array.from({ length: 30 }, (_, n) => node.inbox.deliver(TEST_TENANT, run.runId, 'signal', { n })));
    expect(deliveries.every((delivery) => delivery.kind === 'delivered')).toBe(true);
    const messages = await node.store.readInbox(TEST_TENANT, run.runId, 10);
    expect(messages.map((message) => message.inboxSeq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 11));
  });

  it('reads the inboxes of many runs at once, each above what its reader has seen and for its tenant alone', async () => {
    const runs = Array.from({ length: 3 }, born);
    for (const run of runs) await run.create();
    for (const [n, { runId }] of runs.entries())
      for (let m = 0; m <= n; m++) await node.inbox.deliver(TEST_TENANT, runId, 'signal', { text: `of ${n}, "${m}"` });
    const [first, second, third] = runs.map(({ runId }) => runId) as [string, string, string];
    const read = async (tenant: string, runId: string, after: number): Promise<unknown> =>
      (await node.store.readInbox(tenant, runId, after)).map(({ inboxSeq, payload }) => [inboxSeq, payload['text']]);
    const payloads = [
      read(TEST_TENANT, third, 1),
      read('other', third, 0),
      read(TEST_TENANT, first, 0),
      read(TEST_TENANT, second, 2),
      read(TEST_TENANT, third, 0),
    ];
    expect(await Promise.all(payloads)).toEqual([
      [
        [2, 'of 2, "1"'],
        [3, 'of 2, "2"'],
      ],
      [],
      [[1, 'of 0, "0"']],
      [],
      [
        [1, 'of 2, "0"'],
        [2, 'of 2, "1"'],
        [3, 'of 2, "2"'],
      ],
    ]);
  });

  it('cancel against end, 200 times: the acknowledged one of both wins', async () => {
    let cancels = 0;
    for (let round = 0; round < 200; round++) {
      const run = born();
      await run.create();
      const end = (): ReturnType<ScriptedRun['write']> =>
        run.write({ events: [{ type: 'execution_completed' }], row: COMPLETED, end: { result: 1 } });
      const [delivery, outcome] = await (round % 2 === 0
        ? Promise.all([cancel(run), end()])
        : Promise.all([end(), cancel(run)]).then(([e, c]) => [c, e] as const));
      if (delivery.kind === 'delivered') {
        cancels += 1;
        expect(outcome).toEqual({ kind: 'inbox_moved' });
        expect(await run.write({ row: COMPLETED, end: { result: 1 }, seenInbox: 1 })).toMatchObject({ kind: 'refused' });
        expect(await run.write({ row: CANCELLED, end: { result: null }, seenInbox: 1 })).toMatchObject({ kind: 'committed' });
        expect(await readStoredRun(node.db, run.runId)).toMatchObject({ row: CANCELLED });
      } else {
        expect([delivery, outcome.kind]).toEqual([{ kind: 'over', status: 'completed' }, 'committed']);
        expect(await readStoredRun(node.db, run.runId)).toMatchObject({ row: COMPLETED, cancelRequested: false });
      }
    }
    expect(cancels).toBeGreaterThan(0);
    expect(cancels).toBeLessThan(200);
  });
});
