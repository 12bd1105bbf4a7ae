import { PENDING } from './births.js';
import { type RunEvent } from './run/events.js';
import { runFault } from './run-fault.js';
import { RunTimers } from './run-timers.js';
import { aStep, anAction, to } from './testing/playbook-builder.js';
import { oneAction, RETRY, RunStage, turn } from './testing/run-stage.js';
import { newRun, unitOf } from './testing/scripted-run.js';

/** Stores the run of a stage with a history, for somebody to claim. */
async function stored(stage: RunStage, events: readonly RunEvent[]): Promise<void> {
  const run = newRun('1', { parameters: {}, ...stage.run });
  stage.store.announce({ runId: run.id, takeUnit: () => unitOf(run, { create: run, events, row: PENDING }), unitSettled: () => undefined });
  await stage.commit();
}

describe(RunTimers.name, () => {
  describe('a run that only waits', () => {
    const waiting = async (parkAfterMs: number | null): Promise<RunStage> => {
      const stage = RunStage.of(oneAction({ retry: RETRY }));
      stage.parkAfterMs = parkAfterMs;
      stage.orchestrator().start();
      await stage.commit();
      stage.calls[0]!.settle(new Error('no'));
      await turn();
      return stage;
    };

    it('releases its lease with the due time where the wait is long, and goes on when it is claimed then', async () => {
      const stage = await waiting(5_000);
      const dueAt = stage.clock.now() + 10_000;
      await stage.commit();
      expect(stage.ends).toEqual(['released']);
      expect(stage.store.read('1')).toMatchObject({
        wakeAt: dueAt,
        row: { status: 'running', waitingFor: { kind: 'retry', until: dueAt } },
      });
      expect(stage.clock.size).toBe(0);
      stage.clock.advance(10_000);
      stage.orchestrator('two', 2).start();
      stage.clock.advance(0);
      await stage.commit();
      expect(stage.calls.at(-1)).toMatchObject({ attempt: 2, claimNo: 2 });
    });

    it('keeps it where the wait is short, or where nothing would bring it back', async () => {
      for (const parkAfterMs of [15_000, null]) {
        const stage = await waiting(parkAfterMs);
        await stage.commit();
        expect(stage.ends).toEqual([]);
        stage.clock.advance(10_000);
        await stage.commit();
        expect(stage.calls).toHaveLength(2);
      }
    });

    it('hears what was said while it was leaving, and its wait goes on', async () => {
      const stage = await waiting(5_000);
      stage.store.deliver('default', '1', 'signal', {});
      await stage.commit();
      expect(stage.ends).toEqual([]);
      stage.store.deliver('default', '1', 'cancel', { reason: 'enough' });
      await stage.commit();
      await stage.commit();
      expect(stage.ends).toEqual(['ended']);
      expect(stage.store.read('1')?.row.status).toBe('cancelled');
    });
  });

  it('its own time-out ends a run: what runs is aborted, the error says so', async () => {
    const stage = RunStage.of(oneAction());
    stage.run = { timeoutAt: stage.clock.now() + 60_000 };
    stage.orchestrator().start();
    await stage.commit();
    stage.clock.advance(59_999);
    expect(stage.ends).toEqual([]);
    stage.clock.advance(1);
    await turn();
    await stage.commit();
    expect(stage.store.read('1')?.row).toMatchObject({ status: 'failed', error: { code: 'execution_timeout' } });
    expect(stage.clock.size).toBe(0);
  });

  /** Another holder claims a run with this history, whose time-out passed a minute ago. */
  const claimedLate = async (later: readonly RunEvent[]): Promise<RunStage> => {
    const before = RunStage.of(oneAction());
    before.orchestrator().start();
    await before.commit();
    const stage = RunStage.of(oneAction());
    stage.run = { timeoutAt: stage.clock.now() - 60_000 };
    await stored(stage, [...before.store.read('1')!.events, ...later]);
    stage.orchestrator('two', 2).start();
    for (let units = 0; units < 3; units++) await stage.commit();
    return stage;
  };

  it.each<[string, readonly RunEvent[]]>([
    ['while nobody held it', []],
    ['before its holder was lost', [{ type: 'execution_failing', error: runFault('execution_timeout', 'It did not end in time.') }]],
  ])('an effect that was under way is not begun again where the time-out of its run passed %s', async (_when, later) => {
    const stage = await claimedLate(later);
    expect(stage.calls).toHaveLength(0);
    expect(stage.stored).toContain('step_skipped start');
    expect(stage.store.read('1')?.row).toMatchObject({ status: 'failed', error: { code: 'execution_timeout' } });
  });

  it('a time-out that is far away does not keep a waiting run in memory, and is when it is due', async () => {
    const stage = RunStage.of(oneAction({ retry: { ...RETRY, initialDelay: 3_600, maxDelay: 3_600 } }));
    stage.parkAfterMs = 5_000;
    stage.run = { timeoutAt: stage.clock.now() + 60_000 };
    stage.orchestrator().start();
    await stage.commit();
    stage.calls[0]!.settle(new Error('again'));
    await stage.commit();
    expect(stage.store.read('1')).toMatchObject({ token: null, wakeAt: stage.run.timeoutAt });
  });

  it('claimed before its start it begins nothing, stays pending, and is due at its start', async () => {
    const stage = RunStage.of(oneAction());
    stage.parkAfterMs = 5_000;
    stage.run = { startAt: stage.clock.now() + 60_000 };
    stage.orchestrator().start();
    await stage.commit();
    expect(stage.calls).toEqual([]);
    expect(stage.store.read('1')).toMatchObject({ row: { status: 'pending' }, token: null, wakeAt: stage.run.startAt });
    stage.clock.advance(60_000);
    stage.orchestrator('two', 2).start();
    await stage.commit();
    expect(stage.calls).toHaveLength(1);
  });

  it('told something before its start it begins nothing, also where it goes on from another execution', async () => {
    const kept = RunStage.of([aStep('start', { next: to('act') }), aStep('act', { action: anAction() })]);
    kept.orchestrator().start();
    await kept.commit();
    const [started, completed] = kept.store.read('1')!.events;
    const stage = new RunStage(kept.playbook);
    stage.parkAfterMs = 5_000;
    stage.run = { startAt: stage.clock.now() + 60_000 };
    await stored(stage, [started!, completed!]);
    stage.store.deliver('default', '1', 'pause', {});
    stage.store.deliver('default', '1', 'resume', {});
    stage.orchestrator('two', 2).start();
    await stage.commit();
    await stage.commit();
    expect(stage.stored).not.toContain('step_started act');
    expect(stage.store.read('1')).toMatchObject({ row: { status: 'pending' }, token: null, wakeAt: stage.run.startAt });
    stage.clock.advance(60_000);
    stage.orchestrator('three', 3).start();
    await stage.commit();
    expect(stage.stored).toContain('step_started act');
  });

  it('parks a retry, says so although a join waits for it, and performs the next attempt when it is due', async () => {
    const stage = RunStage.of([
      aStep('start', { next: to('act', 'join') }),
      aStep('act', { action: anAction({ retry: RETRY }), next: to('join') }),
      aStep('join', { next: to('end') }),
      aStep('end'),
    ]);
    stage.orchestrator().start();
    await stage.commit();
    stage.calls[0]!.settle(new Error('boom'));
    await stage.commit();
    expect(stage.store.read('1')?.row.waitingFor).toMatchObject({ kind: 'retry', name: 'act', until: stage.clock.now() + 10_000 });
    expect(stage.units.at(-1)).toMatchObject({ recordsProgress: true });
    stage.clock.advance(9_999);
    await stage.commit();
    expect(stage.calls).toHaveLength(1);
    stage.clock.advance(1);
    await turn();
    // Its start is not committed yet.
    expect(stage.calls).toHaveLength(1);
    await stage.commit();
    expect(stage.stored.at(-1)).toBe('step_woken act');
    expect(stage.calls).toMatchObject([{ attempt: 1 }, { attempt: 2, idempotencyKey: stage.calls[0]!.idempotencyKey }]);
  });
});
