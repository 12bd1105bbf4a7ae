import { randomUUID } from 'node:crypto';
import { newRun, ScriptedRun, stepEvent, TEST_TENANT } from '../../src/engine/testing/scripted-run.js';
import { InboxSweep } from '../../src/storage/upkeep/inbox-sweep.js';
import { type Log, SILENT_LOG } from '../../src/storage/log.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase, openStorage, readStoredRun, type StorageNode } from '../support/storage.js';

describe(InboxSweep.name, () => {
  let database: TestDatabase;
  let node: StorageNode;
  let errors: string[];
  let lastId = 9000n;
  const log: Log = { ...SILENT_LOG, error: (_fields, message) => void errors.push(message) };

  beforeEach(async () => {
    errors = [];
    database = await createMigratedDatabase();
    node = await openStorage(database.url, { log });
  });
  afterEach(async () => {
    await node.close();
    await database.drop();
  });

  /** A run that nobody holds, with `unread` messages, due when the SQL expression says: no protocol leaves such a row. */
  async function sleeping(wakeAt: string, unread = 1): Promise<string> {
    const run = new ScriptedRun(node.store, newRun(String(++lastId)), randomUUID());
    await run.create();
    await run.write({ events: [stepEvent('a')], release: { wakeAt: null } });
    for (let n = 0; n < unread; n++) await node.inbox.deliver(TEST_TENANT, run.runId, 'signal', { n });
    await node.db.query(`UPDATE execution SET wake_at = ${wakeAt} WHERE id = $1`, [run.runId]);
    return run.runId;
  }
  const wakeAtOf = async (id: string): Promise<number | null> => (await readStoredRun(node.db, id))?.wakeAt ?? null;

  it('wakes what nobody holds and nothing makes due although it has unread messages, and says so', async () => {
    const forgotten = await sleeping('NULL');
    const late = await sleeping(`clock_timestamp() + interval '1 hour'`);
    expect(await node.inboxSweep.sweep()).toBe(2);
    const now = Date.now();
    for (const id of [forgotten, late]) expect(await wakeAtOf(id)).toBeLessThanOrEqual(now + 1_000);
    expect(errors).toEqual(['executions slept with unread messages']);
    expect(await node.inboxSweep.sweep()).toBe(0);
  });

  it('leaves alone what is due within a lease, held, over, or has read everything', async () => {
    const soon = await sleeping(`clock_timestamp() + interval '5 seconds'`);
    const held = await sleeping('NULL');
    await node.db.query(`UPDATE execution SET lease_token = gen_random_uuid() WHERE id = $1`, [held]);
    const over = await sleeping('NULL');
    await node.db.query(`UPDATE execution SET status = 'failed' WHERE id = $1`, [over]);
    const read = await sleeping('NULL', 0);
    const before = await Promise.all([soon, held, over, read].map(wakeAtOf));
    expect(await node.inboxSweep.sweep()).toBe(0);
    expect(await Promise.all([soon, held, over, read].map(wakeAtOf))).toEqual(before);
    expect(errors).toEqual([]);
  });

  it('looks at more messages than one slice has', async () => {
    const first = await sleeping('NULL', 0);
    await node.db.query(
      `INSERT INTO execution_inbox (execution_id, inbox_seq, tenant_id, kind, payload) SELECT $1, n, 'default', 'signal', '{}' FROM generate_series(1, 2500) n`,
      [first],
    );
    const last = await sleeping('NULL');
    expect(await node.inboxSweep.sweep()).toBe(1);
    expect(await wakeAtOf(last)).not.toBeNull();
  });

  it('goes on after a row that fails', async () => {
    const bad = await sleeping('NULL');
    const good = await sleeping('NULL');
    await node.db.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken row'; END $$`);
    await node.db.query(`CREATE TRIGGER fail BEFORE UPDATE ON execution FOR EACH ROW WHEN (old.id = ${bad}) EXECUTE FUNCTION fail()`);
    expect(await node.inboxSweep.sweep()).toBe(1);
    expect([await wakeAtOf(bad), await wakeAtOf(good)]).toEqual([null, expect.any(Number)]);
    expect(errors).toContain('an execution with unread messages could not be woken');
  });

  it('gives what it woke to whoever claims', async () => {
    const id = await sleeping('NULL');
    const taken = Promise.withResolvers<string>();
    const drain = node.queue.consume({
      capacity: () => 1,
      take: ({ run, history }) => taken.resolve(`${run.id} ${history?.inboxConsumed} < ${history?.inboxSeq}`),
      takeEphemeral: () => undefined,
      holdsSuspect: () => false,
    });
    await node.inboxSweep.sweep();
    expect(await taken.promise).toBe(`${id} 0 < 1`);
    await drain();
  });
});
