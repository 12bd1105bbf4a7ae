import { type ApprovalState } from './approvals.js';
import { OverdueApprovals } from './overdue-approvals.js';
import { ManualClock } from './testing/manual-clock.js';

describe(OverdueApprovals.name, () => {
  const OVERDUE = { step: 0, wave: 1, name: 'ask' };
  const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

  it.each<[string, readonly (ApprovalState | null | Error)[], string[]]>([
    ['expired', ['expired'], ['expired']],
    ['not there', [null], ['expired']],
    ['decided in time', ['approved'], ['decided']],
    ['not over yet by the clock of the store', ['open', 'rejected'], ['decided']],
    ['not to be found out for now', [new Error('away'), 'expired'], ['unheard', 'expired']],
  ])('asks once about an approval that is %s', async (_name, answers, heard) => {
    const clock = new ManualClock();
    const left = [...answers];
    const said: string[] = [];
    const overdue = new OverdueApprovals({
      store: {
        expireApproval: () => {
          const answer = left.shift()!;
          return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
        },
      },
      tenantId: 'default',
      runId: '1',
      clock,
      committed: () => Promise.resolve(),
      isOver: () => false,
      expired: () => said.push('expired'),
      decided: () => said.push('decided'),
      unheard: () => said.push('unheard'),
    });
    overdue.ask(OVERDUE);
    overdue.ask(OVERDUE);
    await turn();
    clock.advance(1_000);
    await turn();
    expect([said, left]).toEqual([heard, []]);
    left.push('expired');
    overdue.ask(OVERDUE);
    await turn();
    expect(said.at(-1)).toBe('expired');
  });

  it('asks nothing once the run is over here', async () => {
    const overdue = new OverdueApprovals({
      store: { expireApproval: () => Promise.reject(new Error('asked')) },
      tenantId: 'default',
      runId: '1',
      clock: new ManualClock(),
      committed: () => Promise.resolve(),
      isOver: () => true,
      expired: () => expect(true).toBe(false),
      decided: () => expect(true).toBe(false),
      unheard: () => expect(true).toBe(false),
    });
    overdue.ask(OVERDUE);
    await turn();
  });
});
