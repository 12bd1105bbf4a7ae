import { type HeldRun } from '../../engine/ports.js';
import { calledRun, newRun, unitOf } from '../../engine/testing/scripted-run.js';
import { CommitSignals } from '../commit-signals.js';
import { LeaseTerm } from '../lease-term.js';
import { PROCESS_TIMING } from '../timing.js';
import { BornRuns } from './born-runs.js';
import { HeldRuns } from './held-runs.js';

describe(BornRuns.name, () => {
  const stored = (isClaimed: boolean): { readonly held: HeldRuns; readonly handed: readonly HeldRun[] } => {
    const caller = newRun('1');
    const called = calledRun('2', caller);
    const held = new HeldRuns(new CommitSignals(), new LeaseTerm(15_000));
    const handed: HeldRun[] = [];
    const born = new BornRuns(held, { hand: (run: HeldRun) => handed.push(run) } as never, {} as never, PROCESS_TIMING, () => undefined);
    if (isClaimed) held.add('2', 'claimed', 0, true);
    born.stored(unitOf(caller, { children: [{ run: called, token: 'born', ended: null }] }), 0, 0);
    return { held, handed };
  };

  it('begins what was born for this node', () => {
    const { held, handed } = stored(false);
    expect(handed.map(({ token }) => token)).toEqual(['born']);
    expect(held.holds('2', 'born')).toBe(true);
  });

  it('leaves what this node has claimed since to its new holder: how the commit went was unknown for longer than a lease', () => {
    const { held, handed } = stored(true);
    expect(handed).toEqual([]);
    expect(held.holds('2', 'claimed')).toBe(true);
  });
});
