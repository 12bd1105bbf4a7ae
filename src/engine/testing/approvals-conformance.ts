import { type ApprovalWord, type NewApproval, type UnitApprovals } from '../approvals.js';
import { type ApprovalHarness, COMMITTED } from './run-store-harness.js';
import { CANCELLED, COMPLETED, ScriptedRun, stepEvent, TEST_TENANT } from './scripted-run.js';

/** What every RunStore promises of approvals: they live and end with the units of their runs, and with decisions. */
export function describeApprovals(harnessOf: () => ApprovalHarness, born: () => ScriptedRun, nextId: () => string): void {
  describe('approvals', () => {
    let harness: ApprovalHarness;
    beforeAll(() => {
      harness = harnessOf();
    });
    const APPROVER = { comment: null, data: null, at: '2031-01-01T00:00:00.000Z' };
    const approval = (changes: Partial<NewApproval> = {}): NewApproval => ({
      id: nextId(),
      step: 'ask',
      wave: 1,
      path: 'tests/scripted',
      version: '1.0.0',
      title: 'Go, "ünï"?',
      message: null,
      data: { amount: 1 },
      form: null,
      approvers: { scopes: ['finance'], subjects: ['ann', 'b"o\\b'] },
      quorum: 1,
      requesters: ['eve'],
      expiresAt: null,
      ...changes,
    });
    const opening = (...opens: NewApproval[]): UnitApprovals => ({ opens, closes: [], closesAll: false });
    const statesOf = async ({ runId }: ScriptedRun): Promise<unknown[]> => (await harness.approvals(runId)).map(({ state }) => state);

    it('opens approvals with the unit that waits for them, whether it makes the row, goes on or lets go', async () => {
      const born_ = born();
      const [first, second, third] = [
        approval({ expiresAt: Date.UTC(2031, 0, 1) }),
        approval({ step: 'other' }),
        approval({ wave: 2, quorum: 3 }),
      ];
      expect(await born_.create({ approvals: opening(first) })).toEqual(COMMITTED);
      expect(await harness.approvals(born_.runId)).toEqual([
        {
          id: first.id,
          step: 'ask',
          wave: 1,
          title: 'Go, "ünï"?',
          quorum: 1,
          requestedBy: ['eve'],
          state: 'open',
          decisions: [],
          expiresAt: Date.UTC(2031, 0, 1),
        },
      ]);
      expect(await born_.write({ events: [stepEvent('a')], approvals: opening(second) })).toEqual(COMMITTED);
      expect(await born_.write({ events: [stepEvent('b')], release: { wakeAt: null }, approvals: opening(third) })).toEqual(COMMITTED);
      expect((await harness.approvals(born_.runId)).map(({ id }) => id)).toEqual([first.id, second.id, third.id]);
    });

    it('opens none where the unit is held off, and keeps those of others apart', async () => {
      const [run, neighbour] = [born(), born()];
      await Promise.all([run.create(), neighbour.create()]);
      const thief = new ScriptedRun(harness.store, run.run, crypto.randomUUID());
      thief.lastSeq = run.lastSeq;
      const [stolen, kept] = await Promise.all([
        thief.write({ events: [stepEvent('zombie')], approvals: opening(approval()) }),
        neighbour.write({ events: [stepEvent('a')], approvals: opening(approval(), approval({ step: 'other' })) }),
      ]);
      expect([stolen, kept]).toEqual([{ kind: 'lost' }, COMMITTED]);
      expect([await statesOf(run), await statesOf(neighbour)]).toEqual([[], ['open', 'open']]);
    });

    it('closes with a unit the approvals of firings that ended, and with the end all that are open', async () => {
      const run = born();
      await run.create({ approvals: opening(approval(), approval({ wave: 2 }), approval({ step: 'other' })) });
      await run.write({ events: [stepEvent('a')], approvals: { opens: [], closes: [{ step: 'ask', wave: 2 }], closesAll: false } });
      expect(await statesOf(run)).toEqual(['open', 'cancelled', 'open']);
      const thief = new ScriptedRun(harness.store, run.run, crypto.randomUUID());
      thief.lastSeq = run.lastSeq;
      await thief.write({ row: COMPLETED, end: { result: 1 }, approvals: { opens: [], closes: [], closesAll: true } });
      expect(await statesOf(run)).toEqual(['open', 'cancelled', 'open']);
      await run.write({ row: COMPLETED, end: { result: 1 }, approvals: { opens: [], closes: [], closesAll: true } });
      expect(await statesOf(run)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    });

    it('takes one decision of each principal until there is an outcome, each with a message to the run', async () => {
      const run = born();
      const [asked, refused] = [approval({ quorum: 2 }), approval({ step: 'other', quorum: 2 })];
      await run.create({ approvals: opening(asked, refused) });
      const decide = (id: string, by: string, decision: ApprovalWord = 'approve'): Promise<unknown> =>
        harness.decide(TEST_TENANT, run.runId, id, { ...APPROVER, by, decision });
      expect([
        await decide(asked.id, 'ann'),
        await decide(asked.id, 'ann'),
        await decide(asked.id, 'b"o\\b'),
        await decide(asked.id, 'carl'),
      ]).toEqual(['taken', 'repeated', 'taken', 'closed']);
      expect([await decide(refused.id, 'ann', 'reject'), await decide(refused.id, 'carl')]).toEqual(['taken', 'closed']);
      expect(await harness.approvals(run.runId)).toMatchObject([
        {
          state: 'approved',
          decisions: [
            { by: 'ann', decision: 'approve' },
            { by: 'b"o\\b', decision: 'approve' },
          ],
        },
        { state: 'rejected', decisions: [{ by: 'ann', decision: 'reject' }] },
      ]);
      const messages = await harness.store.readInbox(TEST_TENANT, run.runId, 0);
      expect(
        messages.map(({ kind, payload }) => [kind, payload['approval_id'], payload['step'], payload['wave'], payload['outcome']]),
      ).toEqual([
        ['approval', asked.id, 'ask', 1, null],
        ['approval', asked.id, 'ask', 1, 'approved'],
        ['approval', refused.id, 'other', 1, 'rejected'],
      ]);
      expect(messages[0]!.payload['decision']).toMatchObject({ by: 'ann', decision: 'approve', comment: null, data: null });
      await run.write({ row: CANCELLED, end: { result: null }, seenInbox: 3, approvals: { opens: [], closes: [], closesAll: true } });
      expect(await statesOf(run)).toEqual(['approved', 'rejected']);
    });

    it('lets an approval expire at its time and not before, unless it is decided', async () => {
      const run = born();
      const [past, future, decided] = [
        approval({ expiresAt: 1 }),
        approval({ step: 'later', expiresAt: Date.UTC(2051, 0, 1) }),
        approval({ step: 'decided' }),
      ];
      await run.create({ approvals: opening(past, future, decided) });
      const { store } = harness;
      const take = (id: string): Promise<unknown> =>
        harness.decide(TEST_TENANT, run.runId, id, { ...APPROVER, by: 'ann', decision: 'approve' });
      expect([await take(past.id), await take(decided.id)]).toEqual(['expired', 'taken']);
      const expire = (step: string, tenant = TEST_TENANT): Promise<unknown> => store.expireApproval(tenant, run.runId, step, 1);
      expect([
        await expire('ask'),
        await expire('later'),
        await expire('decided'),
        await expire('none'),
        await expire('ask', 'elsewhere'),
      ]).toEqual(['expired', 'open', 'approved', null, null]);
      expect([await expire('ask'), await take(past.id), await statesOf(run)]).toEqual([
        'expired',
        'expired',
        ['expired', 'open', 'approved'],
      ]);
    });
  });
}
