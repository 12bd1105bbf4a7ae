import { CommitGate } from './commit-gate.js';
import { aStep, anAction, to } from './testing/playbook-builder.js';
import { oneAction, RunStage, turn } from './testing/run-stage.js';

describe(CommitGate.name, () => {
  it('begins an effect only after its start is committed, and tells the end only after that is', async () => {
    const stage = RunStage.of(oneAction());
    stage.orchestrator().start();
    await turn();
    expect(stage.calls).toHaveLength(0);
    await stage.commit();
    expect(stage.stored).toEqual(['execution_started', 'step_started start']);
    expect(stage.calls).toMatchObject([{ attempt: 1, claimNo: 1, idempotencyKey: '1/start/1/-/action' }]);
    stage.calls[0]!.settle({ n: 1 });
    await turn();
    expect(stage.ends).toEqual([]);
    await stage.commit();
    expect(stage.ends).toEqual(['ended']);
    expect(stage.store.read('1')).toMatchObject({ row: { status: 'completed', progress: 100 }, result: { n: 1 } });
    expect(stage.clock.size).toBe(0);
  });

  it('cancel aborts a running effect, begins none that waits at the barrier, and ends as cancelled', async () => {
    const stage = RunStage.of([
      aStep('start', { next: to('a', 'b') }),
      aStep('a', { action: anAction(), next: to('late') }),
      aStep('b', { action: anAction() }),
      aStep('late', { action: anAction() }),
      aStep('end'),
    ]);
    const run = stage.orchestrator();
    run.start();
    await stage.commit();
    stage.calls[0]!.settle(1);
    await turn();
    stage.store.deliver('default', '1', 'cancel', { reason: 'enough' });
    run.readInbox();
    await turn();
    expect(stage.calls.map((call) => [call.step, call.signal.aborted])).toEqual([
      ['a', false],
      ['b', true],
    ]);
    await stage.commit();
    await stage.commit();
    expect(stage.store.read('1')).toMatchObject({ row: { status: 'cancelled', progress: 100, error: null } });
    expect(stage.stored.at(-1)).toBe('execution_cancelled');
    expect(stage.calls).toHaveLength(2);
    expect(stage.ends).toEqual(['ended']);
  });

  it('an effect that was under way when its holder was lost is awaited in a run that has failed, whatever is decided before it may begin', async () => {
    const stage = RunStage.of([
      aStep('start', { next: to('a', 'b') }),
      aStep('a', { action: anAction() }),
      aStep('b', { action: anAction() }),
    ]);
    const first = stage.orchestrator();
    first.start();
    await stage.commit();
    stage.calls[1]!.settle(new Error('boom'));
    await stage.commit();
    first.drop();
    stage.store.deliver('default', '1', 'signal', { name: 'go', payload: 1 });
    const second = stage.orchestrator('two', 2);
    second.start();
    await turn();
    // What it heard is not committed yet.
    expect(stage.calls).toHaveLength(2);
    second.readInbox();
    await stage.commit();
    await stage.commit();
    expect(stage.calls.map(({ step }) => step)).toEqual(['a', 'b', 'a']);
    stage.calls[2]!.settle(1);
    await stage.commit();
    await stage.commit();
    expect(stage.stored.slice(-2)).toEqual(['step_completed a', 'execution_failed']);
  });

  it('after a failure an effect at the barrier does not begin', async () => {
    const stage = RunStage.of([
      aStep('start', { next: to('a', 'b') }),
      aStep('a', { action: anAction(), next: to('late') }),
      aStep('b', { action: anAction() }),
      aStep('late', { action: anAction() }),
    ]);
    stage.orchestrator().start();
    await stage.commit();
    stage.calls[0]!.settle(1);
    await turn();
    stage.calls[1]!.settle(new Error('boom'));
    await stage.commit();
    await stage.commit();
    expect(stage.calls).toHaveLength(2);
    expect(stage.stored.slice(-2)).toEqual(['step_skipped late', 'execution_failed']);
  });
});
