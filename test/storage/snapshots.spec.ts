import { randomUUID } from 'node:crypto';
import { type RunHistory } from '../../src/engine/ports.js';
import { SNAPSHOT_EVERY } from '../../src/engine/run/snapshot.js';
import { newRun, ScriptedRun, stepEvent } from '../../src/engine/testing/scripted-run.js';
import { claimDue } from '../../src/storage/claiming/claim.js';
import { readSnapshots } from '../../src/storage/batch/snapshots.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase, openStorage, type StorageNode } from '../support/storage.js';

const STATE = { vars: { deep: [1, { a: 'ünï' }] } };

describe(readSnapshots.name, () => {
  let database: TestDatabase;
  let node: StorageNode;
  let lastId = 9000n;

  beforeAll(async () => {
    database = await createMigratedDatabase();
    node = await openStorage(database.url);
  });
  afterAll(async () => {
    await node.close();
    await database.drop();
  });

  /** A released run of SNAPSHOT_EVERY + 3 events with a snapshot two events before its end. */
  async function released(): Promise<string> {
    const run = new ScriptedRun(node.store, newRun(String(++lastId)), randomUUID());
    await run.create();
    const events = Array.from({ length: SNAPSHOT_EVERY }, (_, n) => stepEvent(`s${n}`));
    expect(await run.write({ events, snapshot: JSON.stringify(STATE) })).toMatchObject({ kind: 'committed' });
    await run.write({ events: [stepEvent('x'), stepEvent('y')], release: { wakeAt: 1 } });
    return run.runId;
  }
  const claimed = async (): Promise<RunHistory | null | undefined> => (await claimDue(node.db, node.lease, 10, []))[0]?.history;

  it('gives a claim the newest snapshot and the events after it', async () => {
    await released();
    expect(await claimed()).toMatchObject({
      snapshot: { seq: SNAPSHOT_EVERY + 1, state: STATE },
      events: [stepEvent('x'), stepEvent('y')],
      lastSeq: SNAPSHOT_EVERY + 3,
    });
  });

  it.each([
    ['engine', `engine_digest = 'another'`],
    ['codec', 'codec = codec + 1'],
  ])('ignores one of another %s', async (_name, change) => {
    const id = await released();
    await node.db.query(`UPDATE execution_snapshot SET ${change} WHERE execution_id = $1`, [id]);
    const history = await claimed();
    expect(history).toMatchObject({ snapshot: null, lastSeq: SNAPSHOT_EVERY + 3 });
    expect(history?.events).toHaveLength(SNAPSHOT_EVERY + 3);
  });

  it('keeps the histories of runs apart that are claimed together, with a snapshot and without', async () => {
    const long = await released();
    const short = new ScriptedRun(node.store, newRun(String(++lastId)), randomUUID());
    await short.create();
    await short.write({ events: [stepEvent('only')], release: { wakeAt: 1 } });
    const held = await claimDue(node.db, node.lease, 10, []);
    const byId = new Map(held.map(({ run, history }) => [run.id, history]));
    expect(byId.get(long)?.events).toEqual([stepEvent('x'), stepEvent('y')]);
    expect(byId.get(short.runId)).toMatchObject({ snapshot: null, events: [{ type: 'execution_started' }, stepEvent('only')], lastSeq: 2 });
  });
});
