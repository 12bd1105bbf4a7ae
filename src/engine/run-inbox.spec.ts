import { RunInbox } from './run-inbox.js';
import { type Step } from './playbook/playbook.js';
import { StepFailure } from './step-executor.js';
import { aStep, anAction, to } from './testing/playbook-builder.js';
import { oneAction, RETRY, RunStage, turn } from './testing/run-stage.js';

describe(RunInbox.name, () => {
  describe('a run that is told things while nobody holds it', () => {
    const told = async (kind: 'pause' | 'cancel'): Promise<RunStage> => {
      const stage = RunStage.of(oneAction());
      stage.parkAfterMs = 5_000;
      stage.orchestrator().start();
      await stage.commit();
      stage.store.deliver('default', '1', kind, {});
      return stage;
    };

    it('hears it before it begins anything: a cancelled step is not begun again', async () => {
      const stage = await told('cancel');
      const before = stage.calls.length;
      stage.orchestrator('two', 2).start();
      await turn();
      await stage.commit();
      expect(stage.calls).toHaveLength(before);
      expect(stage.store.read('1')?.row.status).toBe('cancelled');
    });

    it('a pause lets the step that was under way come to its end, and a hint in between is not lost', async () => {
      const stage = await told('pause');
      const orchestrator = stage.orchestrator('two', 2);
      orchestrator.start();
      stage.store.deliver('default', '1', 'signal', { name: 'late', payload: 1 });
      orchestrator.readInbox();
      await stage.commit();
      stage.calls.at(-1)!.settle(7);
      await stage.commit();
      await stage.commit();
      expect(stage.ends).toEqual(['released']);
      expect(stage.store.read('1')).toMatchObject({ row: { status: 'paused' }, token: null, wakeAt: null, inboxConsumed: 2 });
      expect(stage.stored).toEqual([
        'execution_started',
        'step_started start',
        'pause_requested',
        'signal_received',
        'step_completed start',
        'execution_paused',
      ]);
      // Told something else it wakes, records that, and leaves again, still paused.
      stage.store.deliver('default', '1', 'signal', { name: 'later', payload: 2 });
      stage.orchestrator('three', 3).start();
      await turn();
      await stage.commit();
      expect(stage.stored.at(-1)).toBe('signal_received');
      expect(stage.store.read('1')).toMatchObject({ row: { status: 'paused' }, token: null, wakeAt: null, inboxConsumed: 3 });
      stage.store.deliver('default', '1', 'resume', {});
      stage.orchestrator('four', 4).start();
      await turn();
      await stage.commit();
      expect(stage.store.read('1')).toMatchObject({ row: { status: 'completed' }, result: 7 });
    });
  });

  describe('a cancel that nobody told it of', () => {
    /** `a` is over and `late` may begin with the next commit, `c` waits to be tried again; the cancel comes before that commit. */
    const cancelled = async (): Promise<RunStage> => {
      const stage = RunStage.of([
        aStep('start', { next: to('a', 'c') }),
        aStep('a', { action: anAction(), next: to('late') }),
        aStep('c', { action: anAction({ retry: RETRY }) }),
        aStep('late', { action: anAction() }),
        aStep('end'),
      ]);
      stage.orchestrator().start();
      await stage.commit();
      stage.calls[1]!.settle(new Error('not now'));
      await stage.commit();
      stage.calls[0]!.settle(1);
      await turn();
      stage.store.deliver('default', '1', 'cancel', { reason: 'enough' });
      return stage;
    };

    it('is heard with the next commit, before what that commit lets begin', async () => {
      const stage = await cancelled();
      for (let n = 0; n < 3; n++) await stage.commit();
      expect(stage.calls.map(({ step }) => step)).toEqual(['a', 'c']);
      expect(stage.store.read('1')?.row.status).toBe('cancelled');
      expect(stage.ends).toEqual(['ended']);
      expect(stage.clock.size).toBe(0);
    });

    it('keeps back an effect that was told to begin before, and has not left yet', async () => {
      const stage = RunStage.of([
        aStep('start', { next: to('a', 'b') }),
        aStep('a', { action: anAction() }),
        aStep('b', { action: anAction() }),
        aStep('end'),
      ]);
      stage.orchestrator().start();
      await stage.commit();
      stage.calls[0]!.settle(1);
      await turn();
      stage.store.deliver('default', '1', 'cancel', {});
      stage.unreadable = 1;
      expect(() => stage.calls[1]!.assertHeld()).not.toThrow();
      await stage.commit();
      expect(() => stage.calls[1]!.assertHeld()).toThrow('The step was not begun.');
    });

    it.each<[string, Step['onError']]>([
      ['fail', { kind: 'fail' }],
      ['continue', { kind: 'continue' }],
      ['goto', { kind: 'goto', target: { step: 'other', data: {} } }],
    ])('skips the step whose effect it kept back, on_error: %s', async (_name, onError) => {
      const stage = RunStage.of([
        aStep('start', { next: to('a', 'b') }),
        aStep('a', { action: anAction() }),
        aStep('b', { action: anAction(), onError }),
        aStep('other'),
        aStep('end'),
      ]);
      stage.orchestrator().start();
      await stage.commit();
      stage.calls[0]!.settle(1);
      await turn();
      stage.store.deliver('default', '1', 'cancel', {});
      stage.unreadable = 1;
      await stage.commit();
      expect(() => stage.calls[1]!.assertHeld()).toThrow(StepFailure);
      stage.calls[1]!.settle(new StepFailure('cancelled', 'The step was not begun.', { retryable: false, origin: 'abort' }));
      for (let n = 0; n < 2; n++) await stage.commit();
      stage.clock.advance(500);
      for (let n = 0; n < 3; n++) await stage.commit();
      expect(stage.stored.filter((event) => event.endsWith(' b'))).toEqual(['step_started b', 'step_skipped b']);
      expect(stage.store.read('1')?.row.status).toBe('cancelled');
      expect(stage.clock.size).toBe(0);
    });

    it('is asked for until it is read, and nothing begins before, not even what was due meanwhile', async () => {
      const stage = await cancelled();
      stage.unreadable = 2;
      for (let n = 0; n < 3; n++) await stage.commit();
      stage.clock.advance(499);
      expect(stage.faults).toHaveLength(1);
      stage.clock.advance(1);
      await stage.commit();
      expect(stage.faults).toHaveLength(2);
      stage.clock.advance(9_500);
      for (let n = 0; n < 3; n++) await stage.commit();
      expect(stage.calls.map(({ step }) => step)).toEqual(['a', 'c']);
      expect(stage.store.read('1')?.row.status).toBe('cancelled');
    });
  });
});
