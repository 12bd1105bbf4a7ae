import { calledRun, newRun, RUNNING, COMPLETED, ScriptedRun, stepEvent } from '../engine/testing/scripted-run.js';
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

  it('keeps as many as come to 64 MiB, and the last one whatever its size', async () => {
    const runs = new EphemeralRuns();
    const end = async (id: string, mebibytes: number): Promise<void> => {
      const result = Array.from({ length: mebibytes }, () => 'x'.repeat(1024 * 1024));
      await begun(runs, id).script.write({ row: COMPLETED, end: { result } });
    };
    const kept = (): string[] => ['1', '2', '3', '4', '5', '6', '7', '8'].filter((id) => runs.find('default', id));
    for (const id of ['1', '2', '3', '4', '5', '6']) await end(id, 12);
    expect(kept()).toEqual(['2', '3', '4', '5', '6']);
    await end('7', 1);
    expect(kept()).toEqual(['2', '3', '4', '5', '6', '7']);
    await end('8', 15);
    expect(kept()).toEqual(['4', '5', '6', '7', '8']);
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

  describe('called runs', () => {
    const family = async (runs: EphemeralRuns) => {
      const born: string[] = [];
      runs.onBorn((run) => born.push(run.id));
      const parent = begun(runs);
      const run = calledRun('2', parent.run);
      expect(await parent.script.write({ events: [stepEvent('a')], children: [{ run, token: null, ended: null }] })).toMatchObject({
        kind: 'committed',
      });
      expect(born).toEqual(['2']);
      return { parent, child: new ScriptedRun(runs, run, 'ephemeral') };
    };

    it('run in the same memory, tell their caller of their end, and keep the values of their steps', async () => {
      const runs = new EphemeralRuns();
      const { parent, child } = await family(runs);
      const told: string[] = [];
      runs.onInbox((id) => told.push(id));
      await child.write({ events: [stepEvent('a')], row: COMPLETED, end: { result: 'r' } });
      expect(told).toEqual(['1']);
      const payload = { child_id: '2', step: 'call', wave: 1, item: null, status: 'completed', error: null, result: 'r' };
      expect(await runs.readInbox('default', '1', 0)).toEqual([{ inboxSeq: 1, kind: 'child_ended', payload }]);
      expect(runs.find('default', '2')).toMatchObject({ result: 'r', values: new Map([['a', 'ok']]), record: { parentExecutionId: '1' } });
      expect(await parent.script.write({ row: COMPLETED, end: { result: 1 } })).toEqual({ kind: 'inbox_moved' });
    });

    it('are not called any more once a cancel is acknowledged', async () => {
      const runs = new EphemeralRuns();
      const { script, run } = begun(runs);
      runs.cancel('default', '1', {});
      const unit = { events: [stepEvent('a')], children: [{ run: calledRun('2', run), token: null, ended: null }] };
      expect(await script.write(unit)).toEqual({ kind: 'inbox_moved' });
      expect(await script.write({ ...unit, seenInbox: 1 })).toMatchObject({ kind: 'refused' });
      expect(runs.open).toBe(1);
    });

    it('end with a caller that is ended from outside', async () => {
      const runs = new EphemeralRuns();
      await family(runs);
      const abandoned: string[] = [];
      runs.onAbandoned((id) => abandoned.push(id));
      runs.abandon('1', null, Date.now());
      expect(abandoned).toEqual(['1', '2']);
      expect(runs.open).toBe(0);
    });
  });
});
