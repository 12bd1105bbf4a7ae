import { Orchestrator } from './orchestrator.js';
import { aStep, anAction, to } from './testing/playbook-builder.js';
import { oneAction, RETRY, RunStage, turn } from './testing/run-stage.js';

describe(Orchestrator.name, () => {
  it('without its lease it begins no effect, aborts those that run, and writes nothing', async () => {
    const stage = RunStage.of([aStep('start', { action: anAction(), next: to('second') }), aStep('second', { action: anAction() })]);
    const run = stage.orchestrator();
    run.start();
    await stage.commit();
    run.checkLease();
    expect(stage.ends).toEqual([]);
    stage.live = false;
    run.checkLease();
    expect(stage.ends).toEqual(['lost']);
    expect(stage.calls[0]!.signal.aborted).toBe(true);
    await stage.commit();
    expect(stage.stored).toHaveLength(2);
    expect(stage.clock.size).toBe(0);

    const late = RunStage.of(oneAction());
    late.orchestrator().start();
    late.live = false;
    await late.commit();
    expect([late.calls.length, late.ends]).toEqual([0, ['lost']]);
  });

  it('drops what it knows when the store says that the run has another holder', async () => {
    const stage = RunStage.of(oneAction());
    stage.orchestrator().start();
    await stage.commit();
    stage.store.claim('1', 'thief');
    stage.calls[0]!.settle(1);
    await stage.commit();
    expect(stage.ends).toEqual(['lost']);
    expect(stage.stored).toHaveLength(2);
  });

  it('an end that a cancel comes before is not shown: while what was done is undone, the run is not yet at 100 percent', async () => {
    const stage = RunStage.of([
      aStep('start', { action: anAction(), compensate: { action: anAction(), covers: 'completed' }, next: to('end') }),
      aStep('end', { role: 'terminal' }),
    ]);
    stage.orchestrator().start();
    await stage.commit();
    stage.store.deliver('default', '1', 'cancel', {});
    stage.calls[0]!.settle(1);
    await stage.commit();
    await stage.commit();
    expect(stage.units.map(({ row }) => [row.status, row.progress])).toContainEqual(['completed', 100]);
    expect(stage.store.read('1')?.row).toMatchObject({ status: 'running', waitingFor: { kind: 'compensation' } });
    expect(stage.store.read('1')!.row.progress).toBeLessThan(100);
    stage.calls[1]!.settle(null);
    await stage.commit();
    expect(stage.store.read('1')?.row).toMatchObject({ status: 'cancelled', progress: 100 });
  });

  it('given back, another holder goes on: what is complete is not done again, what was cut keeps key and attempt', async () => {
    const stage = RunStage.of([
      aStep('start', { next: to('a', 'b') }),
      aStep('a', { action: anAction() }),
      aStep('b', { action: anAction({ retry: RETRY }) }),
      aStep('end'),
    ]);
    const first = stage.orchestrator();
    first.start();
    await stage.commit();
    stage.calls[0]!.settle('a is done');
    stage.calls[1]!.settle(new Error('boom'));
    await stage.commit();
    stage.clock.advance(10_000);
    await stage.commit();
    expect(stage.calls[2]).toMatchObject({ step: 'b', attempt: 2 });
    first.giveBack();
    await stage.commit();
    expect(stage.calls[2]!.signal.aborted).toBe(true);
    expect(stage.ends).toEqual(['released']);
    expect(stage.store.read('1')).toMatchObject({ token: null, wakeAt: stage.clock.now() });
    stage.orchestrator('two', 2).start();
    stage.clock.advance(0);
    await stage.commit();
    expect(stage.calls.slice(3)).toMatchObject([{ step: 'b', attempt: 2, claimNo: 2, idempotencyKey: stage.calls[2]!.idempotencyKey }]);
    stage.calls[3]!.settle('b is done');
    await stage.commit();
    expect(stage.store.read('1')).toMatchObject({ row: { status: 'completed' }, result: { a: 'a is done', b: 'b is done' } });
  });

  it('a run that is over ends although it is given back, and one given back hears a cancel first', async () => {
    const over = RunStage.of(oneAction());
    const ending = over.orchestrator();
    ending.start();
    await over.commit();
    over.calls[0]!.settle(1);
    await turn();
    ending.giveBack();
    await over.commit();
    expect([over.ends, over.store.read('1')?.row.status]).toEqual([['ended'], 'completed']);

    const stage = RunStage.of(oneAction());
    const run = stage.orchestrator();
    run.start();
    await stage.commit();
    stage.store.deliver('default', '1', 'cancel', {});
    run.giveBack();
    await stage.commit();
    await stage.commit();
    expect([stage.ends, stage.stored.at(-1)]).toEqual([['released'], 'cancel_requested']);
    stage.orchestrator('two', 2).start();
    await stage.commit();
    expect(stage.store.read('1')?.row.status).toBe('cancelled');
    expect(stage.calls).toHaveLength(1);
  });
});
