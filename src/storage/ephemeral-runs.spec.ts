import { newRun, RUNNING, COMPLETED, ScriptedRun, stepEvent } from '../engine/testing/scripted-run.js';
import { EphemeralRuns } from './ephemeral-runs.js';

const begun = (runs: EphemeralRuns, id = '1') => {
  const run = newRun(id);
  return { run, script: new ScriptedRun(runs, run, 'ephemeral'), ended: runs.begin(run, Date.now()).ended };
};

describe(EphemeralRuns.name, () => {
  it('answers with the end, counts open runs, and keeps the last thousand that are over', async () => {
    const runs = new EphemeralRuns();
    for (let n = 1; n <= 1_002; n++) {
      const { script, ended } = begun(runs, String(n));
      expect(runs.open).toBe(1);
      await script.write({ events: [stepEvent('a')], row: COMPLETED, end: { result: n } });
      expect(await ended).toMatchObject({ record: { status: 'completed', lastSeq: 1 }, result: n });
    }
    expect(runs.open).toBe(0);
    expect([runs.find('default', '2'), runs.find('other', '1002')]).toEqual([null, null]);
    expect(runs.find('default', '3')).toMatchObject({ result: 3 });
  });

  it('tells the holder of a cancel, and that its run was ended from outside', async () => {
    const runs = new EphemeralRuns();
    const told: string[] = [];
    runs.onInbox((id) => told.push(`inbox ${id}`));
    runs.onAbandoned((id) => told.push(`abandoned ${id}`));
    const { script, ended } = begun(runs);
    expect(runs.cancel('other', '1', {})).toBe(false);
    expect(runs.cancel('default', '1', {})).toBe(true);
    expect(await script.write({ row: COMPLETED, end: { result: 1 } })).toEqual({ kind: 'inbox_moved' });
    runs.abandon('1', null, Date.now());
    expect(told).toEqual(['inbox 1', 'abandoned 1']);
    expect(await ended).toMatchObject({ record: { status: 'failed' } });
    expect(await script.write({ row: RUNNING, seenInbox: 1 })).toEqual({ kind: 'lost' });
    expect(runs.cancel('default', '1', {})).toBe(false);
  });

  it('a run that is given back has nobody to go on with it: who waits hears that', async () => {
    const runs = new EphemeralRuns();
    const { script, ended } = begun(runs);
    await script.write({ row: RUNNING, release: { wakeAt: 0 } });
    expect(await ended).toMatchObject({ record: { status: 'failed', error: { code: 'draining' } } });
    expect(runs.open).toBe(0);
  });
});
