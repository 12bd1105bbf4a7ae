import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { type NewApproval } from '../../src/engine/approvals.js';
import { COMPLETED, newRun, ScriptedRun, stepEvent, TEST_TENANT, unitOf } from '../../src/engine/testing/scripted-run.js';
import { type Unit } from '../../src/engine/ports.js';
import { ApprovalDecisions, DECIDE } from '../../src/storage/approval-decisions.js';
import { batchParameters, CALL_PARAMETERS, UNIT_PARAMETERS } from '../../src/storage/batch/batch-statement.js';
import { pendingUnit } from '../../src/storage/batch/pending-unit.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase, openStorage, readApprovals, readStoredRun, type StorageNode } from '../support/storage.js';

describe(ApprovalDecisions.name, () => {
  let database: TestDatabase;
  let node: StorageNode;
  let other: pg.Client;
  let lastId = 9_000n;
  const nextId = (): string => String(++lastId);
  const approval = (changes: Partial<NewApproval> = {}): NewApproval => ({
    id: nextId(),
    step: 'ask',
    wave: 1,
    path: 'tests/scripted',
    version: '1.0.0',
    title: 'Go?',
    message: null,
    data: null,
    form: null,
    approvers: { scopes: [], subjects: ['ann'] },
    quorum: 1,
    requesters: [],
    expiresAt: null,
    ...changes,
  });
  const asking = async (asked: NewApproval, released = true): Promise<ScriptedRun> => {
    const run = new ScriptedRun(node.store, newRun(nextId()), randomUUID());
    await run.create();
    const approvals = { opens: [asked], closes: [], closesAll: false };
    expect(await run.write({ events: [stepEvent('a')], approvals, ...(released ? { release: { wakeAt: null } } : {}) })).toMatchObject({
      kind: 'committed',
    });
    return run;
  };
  const decide = (executionId: string, approvalId: string, by = 'ann'): ReturnType<ApprovalDecisions['decide']> =>
    node.approvals.decide({
      tenantId: TEST_TENANT,
      executionId,
      approvalId,
      by,
      decision: 'approve',
      comment: 'ünï "x"',
      data: { b: 1, a: [1.5] },
      mayRepeat: false,
    });
  /** Resolves once somebody waits for a lock that `other` holds. */
  const somebodyWaits = async (): Promise<void> => {
    for (;;) {
      const { rowCount } = await other.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      if (rowCount! > 0) return;
    }
  };

  beforeAll(async () => {
    database = await createMigratedDatabase();
    node = await openStorage(database.url);
    node.queue.consume({ capacity: () => 0, take: () => undefined, takeEphemeral: () => undefined, holdsSuspect: () => false });
    other = new pg.Client(database.url);
    await other.connect();
  });
  afterAll(async () => {
    await other.end();
    await node.close();
    await database.drop();
  });

  it('makes a run that sleeps due, with what was decided to the letter', async () => {
    const asked = approval();
    const { runId } = await asking(asked);
    expect(await readStoredRun(node.db, runId)).toMatchObject({ token: null, wakeAt: null });
    expect(await decide(runId, asked.id)).toBe('taken');
    expect(await readStoredRun(node.db, runId)).toMatchObject({ inboxSeq: 1, wakeAt: expect.any(Number) as number });
    const [message] = await node.store.readInbox(TEST_TENANT, runId, 0);
    expect(message!.payload['decision']).toEqual({
      by: 'ann',
      decision: 'approve',
      comment: 'ünï "x"',
      data: { b: 1, a: [1.5] },
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
    });
    expect(await decide(runId, '17')).toBeNull();
    expect(await node.approvals.decide({ tenantId: 'elsewhere', executionId: runId, approvalId: asked.id, by: 'b', decision: 'approve', comment: null, data: null, mayRepeat: false })).toBeNull(); // prettier-ignore
  });

  it('that is under way when the time is over counts: whoever asks about the time waits for it', async () => {
    const asked = approval({ expiresAt: Date.now() + 60_000 });
    const { runId } = await asking(asked);
    await other.query('BEGIN');
    await other.query(DECIDE, [runId, TEST_TENANT, asked.id, 'ann', 'approve', null, 'null', false]);
    await node.db.query(`SELECT 1`);
    const expired = node.store.expireApproval(TEST_TENANT, runId, 'ask', 1);
    await somebodyWaits();
    await other.query('COMMIT');
    expect(await expired).toBe('approved');
  });

  it('that waits for the time to be recorded comes too late', async () => {
    const asked = approval({ expiresAt: Date.now() + 60_000 });
    const { runId } = await asking(asked);
    await other.query('BEGIN');
    await other.query(`UPDATE approval SET state = 'expired', closed_at = now() WHERE id = $1`, [asked.id]);
    const decision = decide(runId, asked.id);
    await somebodyWaits();
    await other.query('COMMIT');
    expect(await decision).toBe('expired');
    expect(await node.store.readInbox(TEST_TENANT, runId, 0)).toEqual([]);
  });

  it('that waits for the end of the run finds it closed', async () => {
    const asked = approval();
    const run = await asking(asked, false);
    await other.query('BEGIN');
    await other.query(`SELECT FROM execution WHERE id = $1 FOR UPDATE`, [run.runId]);
    const end = run.write({ row: COMPLETED, end: { result: 1 }, approvals: { opens: [], closes: [], closesAll: true } });
    await somebodyWaits();
    const decision = decide(run.runId, asked.id);
    await other.query('COMMIT');
    const [{ kind }, verdict] = await Promise.all([end, decision]);
    // Whichever got the row first, what they say fits together.
    expect([kind, verdict]).toEqual(verdict === 'closed' ? ['committed', 'closed'] : ['inbox_moved', 'taken']);
    expect((await readApprovals(node.db, run.runId)).map(({ state }) => state)).toEqual([verdict === 'closed' ? 'cancelled' : 'approved']);
  });

  it('costs batches nothing that have none', () => {
    const run = new ScriptedRun(node.store, newRun('1'), null);
    const unit = (more: Partial<Unit>): Unit => unitOf(run.run, { token: randomUUID(), expectedSeq: 1, events: [stepEvent('a')], ...more });
    const plain = pendingUnit(run, unit({}), 1);
    expect(batchParameters([plain])).toHaveLength(UNIT_PARAMETERS);
    const opening = pendingUnit(run, unit({ approvals: { opens: [approval()], closes: [], closesAll: false } }), 1);
    expect(batchParameters([plain, opening])).toHaveLength(CALL_PARAMETERS + 9);
  });
});
