import { type Compensate, type Step } from '../playbook/playbook.js';
import { StepFailure } from '../step-executor.js';
import { crashingRun, type CrashingOptions } from '../testing/crashing-run.js';
import { aRetry, aStep, anAction, compiled, to, when } from '../testing/playbook-builder.js';
import { type Json } from '../values.js';
import { foldEvents } from './apply.js';
import { compensate } from './compensation.js';
import { type AttemptOutcome } from './decision.js';
import { type RunEvent } from './events.js';
import { keptForFork, keptForRetry } from './kept-history.js';
import { inherited, withoutUndone } from './undone-firings.js';

const RETRY = aRetry();
const STEPS = ['s1', 's2', 's3', 's4', 's5'] as const;
const undoing = (overrides: Partial<Compensate> = {}): Compensate => ({
  action: anAction({ data: { undo: '{{ result.id }}', was: '{{ inputs.n }}', why: '{{ error.code if error else None }}' } }),
  covers: 'completed',
  ...overrides,
});
const acting = (name: string, next: Step['next'], overrides: Partial<Step> = {}): Step =>
  aStep(name, { action: anAction({ data: { n: name } }), compensate: undoing(), next, ...overrides });
const saga = (overrides: Readonly<Partial<Record<(typeof STEPS)[number], Partial<Step>>>> = {}): ReturnType<typeof compiled> =>
  compiled([...STEPS.map((name, at) => acting(name, to(STEPS[at + 1] ?? 'end'), overrides[name])), aStep('end')]);
const gives = (value: Json): AttemptOutcome => ({ ok: true, result: { value } });
const fails = (message = 'no', retryable = true): AttemptOutcome => ({
  ok: false,
  failure: new StepFailure('http_error', message, { retryable, statusCode: 500 }),
});
/** Every attempt succeeds, but those of these steps. */
const failing =
  (...steps: readonly string[]): CrashingOptions['outcome'] =>
  (step) =>
    steps.includes(step) ? fails(`${step} failed`) : gives({ id: `id of ${step}` });
const of = (events: readonly RunEvent[], ...types: readonly RunEvent['type'][]): string[] =>
  events.flatMap((event) => (types.includes(event.type) && 'step' in event ? [event.step] : []));
const undone = (events: readonly RunEvent[]): string[] => of(events, 'compensation_completed', 'compensation_failed');
const reversed = (count: number): string[] => [...STEPS.slice(0, count)].reverse().map((name) => `${name}.compensate`);

describe(compensate.name, () => {
  it.each(STEPS.map((name, at) => [name, at] as const))('%s fails: what completed before is undone, the newest first', (name, at) => {
    const { events } = crashingRun(saga(), { outcome: failing(name) });
    expect(undone(events)).toEqual(reversed(at));
    expect(of(events, 'compensation_started')).toEqual(reversed(at));
    expect(events.at(-1)).toMatchObject({
      type: 'execution_failed',
      error: { code: 'http_error', step: name, cause: { status_code: 500 } },
    });
    const started = events.filter((event) => event.type === 'compensation_started');
    for (const [nth, event] of started.entries()) {
      const step = STEPS[at - 1 - nth]!;
      expect(event.request).toEqual({ undo: `id of ${step}`, was: step, why: 'http_error' });
    }
  });

  it.each(STEPS.map((name, at) => [name, at] as const))(
    'whoever holds it crashes, once or twice, at any point of a saga whose %s fails: recorded once, in reverse',
    (name, at) => {
      const plain = crashingRun(saga(), { outcome: failing(name) });
      const points = Array.from({ length: plain.turns - 1 }, (_, turn) => turn + 1);
      for (const first of points)
        for (const second of [0, first + 1, first + 2]) {
          const { events, begun } = crashingRun(saga(), { outcome: failing(name), crashes: [first, second] });
          expect(events.map(({ type }) => type)).toEqual(plain.events.map(({ type }) => type));
          expect(undone(events)).toEqual(reversed(at));
          expect(events.at(-1)).toEqual(plain.events.at(-1));
          // Only what was under way at a crash begins again.
          expect(begun.length - plain.begun.length).toBeLessThanOrEqual(2);
        }
    },
  );

  it('is cancelled at any point, with and without crashes: what completed is undone, in reverse, and nothing starts', () => {
    const outcome = failing('s5');
    const { turns } = crashingRun(saga(), { outcome });
    for (let turn = 1; turn < turns; turn++) {
      const told = { turn, stimulus: { kind: 'cancel', reason: 'stop', force: false } as const };
      for (const crashes of [[], [turn], [turn + 1], [turn + 2, turn + 3]]) {
        const { events } = crashingRun(saga(), { outcome, told, crashes });
        const completed = of(events, 'step_completed').filter((step) => step !== 'end');
        expect(undone(events)).toEqual(completed.reverse().map((step) => `${step}.compensate`));
        expect(events.at(-1)).toEqual({ type: 'execution_cancelled', reason: 'stop' });
        const cancelled = events.findIndex(({ type }) => type === 'cancel_requested');
        expect(events.slice(cancelled).some(({ type }) => type === 'step_started')).toBe(false);
      }
    }
  });

  it('is cancelled with force at any point: what is left is skipped, and named', () => {
    const outcome = failing('s5');
    const { turns } = crashingRun(saga(), { outcome });
    for (let turn = 1; turn < turns; turn++) {
      const told = { turn, stimulus: { kind: 'cancel', reason: null, force: true } as const };
      for (const crashes of [[], [turn], [turn + 1]]) {
        const { events, begun } = crashingRun(saga(), { outcome, told, crashes });
        const at = events.findIndex(({ type }) => type === 'cancel_requested');
        const completed = of(events, 'step_completed').reverse();
        const before = undone(events.slice(0, at)).map((name) => name.replace('.compensate', ''));
        const left = completed.filter((step) => !before.includes(step));
        const skipped = events.filter((event) => event.type === 'compensation_skipped');
        expect(skipped).toEqual(
          left.length === 0 ? [] : [{ type: 'compensation_skipped', firings: left.map((step) => ({ step, wave: 1 })) }],
        );
        expect(of(events.slice(at), 'compensation_started', 'compensation_completed')).toEqual([]);
        expect(events.at(-1)?.type).toBe('execution_cancelled');
        expect(begun.length).toBeLessThan(12);
      }
    }
  });

  it('a compensation that fails is tried again, also in a run that is being cancelled, and after a crash', () => {
    const retried = { s2: { compensate: undoing({ action: anAction({ retry: RETRY }) }) } };
    for (const told of [undefined, { turn: 4, stimulus: { kind: 'cancel', reason: null, force: false } as const }]) {
      for (let crash = 0; crash < 16; crash++) {
        let attempts = 0;
        const outcome: CrashingOptions['outcome'] = (step, perform) => {
          if (step === 's2.compensate') attempts = Math.max(attempts, perform.attempt);
          const isBad = step === 's4' || (step === 's2.compensate' && perform.attempt < 3);
          return isBad ? fails() : gives({ id: 1 });
        };
        const { events } = crashingRun(saga(retried), { outcome, crashes: [crash], ...(told ? { told } : {}) });
        expect(attempts).toBe(3);
        expect(of(events, 'action_retry')).toEqual(['s2.compensate', 's2.compensate']);
        expect(of(events, 'compensation_failed')).toEqual([]);
        expect(undone(events).slice(-2)).toEqual(reversed(2));
      }
    }
  });

  it('one that fails for good does not keep the others from it, and is named at the end', () => {
    const cause = { compensation_failed: [{ step: 's2', wave: 1, code: 'http_error', message: 's2.compensate failed' }] };
    const failed = crashingRun(saga(), { outcome: failing('s4', 's2.compensate') });
    expect(undone(failed.events)).toEqual(reversed(3));
    expect(of(failed.events, 'compensation_failed')).toEqual(['s2.compensate']);
    expect(failed.events.at(-1)).toMatchObject({ type: 'execution_failed', error: { step: 's4', cause: { status_code: 500, ...cause } } });
    const told = { turn: 4, stimulus: { kind: 'cancel', reason: 'enough', force: false } as const };
    const cancelled = crashingRun(saga(), { outcome: failing('s2.compensate'), told });
    expect(cancelled.events.at(-1)).toMatchObject({
      type: 'execution_cancelled',
      reason: 'enough',
      error: { code: 'compensation_failed', cause },
    });
  });

  it('one that cannot be rendered has failed without a start', () => {
    const broken = { s2: { compensate: undoing({ action: anAction({ data: { x: '{{ 1 / 0 }}' } }) }) } };
    const { events } = crashingRun(saga(broken), { outcome: failing('s4') });
    expect(undone(events)).toEqual(reversed(3));
    expect(of(events, 'compensation_started')).toEqual(['s3.compensate', 's1.compensate']);
    expect(events.at(-1)).toMatchObject({ error: { cause: { compensation_failed: [{ step: 's2', code: 'template_error' }] } } });
  });

  it('covers: started also undoes what began and failed, was handled, or was aborted; never what did not begin', () => {
    const started = undoing({ covers: 'started', action: anAction({ data: { undo: '{{ result }}' } }) });
    const requests = (events: readonly RunEvent[]) =>
      events.flatMap((event) => (event.type === 'compensation_started' ? [[event.step, event.request]] : []));
    const one = (overrides: Partial<Step>, outcome = failing('s3')) =>
      requests(crashingRun(saga({ s3: { compensate: started, ...overrides } }), { outcome }).events)[0];
    expect(one({})).toEqual(['s3.compensate', { undo: null }]);
    expect(one({ onError: { kind: 'continue' } }, failing('s3', 's4'))).toEqual(['s3.compensate', { undo: null }]);
    expect(one({ onError: { kind: 'goto', target: { step: 's4', data: {} } } }, failing('s3', 's4'))).toEqual([
      's3.compensate',
      { undo: null },
    ]);
    // Inputs that cannot be rendered: it never began.
    expect(one({ action: anAction({ data: { x: '{{ 1 / 0 }}' } }) })?.[0]).toBe('s2.compensate');
    expect(one({ pass: true }, failing('s4'))?.[0]).toBe('s2.compensate');
    const told = { turn: 3, stimulus: { kind: 'cancel', reason: null, force: false } as const };
    const aborted = crashingRun(saga({ s3: { compensate: started } }), { outcome: failing('s3'), told });
    expect(requests(aborted.events).map(([step]) => step)).toEqual(['s3.compensate', 's2.compensate', 's1.compensate']);
    // With `completed` a failure that was absorbed did nothing that is to be undone.
    expect(undone(crashingRun(saga({ s3: { onError: { kind: 'continue' } } }), { outcome: failing('s3', 's4') }).events)).toEqual([
      's2.compensate',
      's1.compensate',
    ]);
  });

  describe('an action that has succeeded and is being saved to the world', () => {
    const SAVE = { storage: 'act', when: null, on: 'success' as const, name: null, data: null, auth: null, onError: null, fields: {} };
    const saved = (overrides: Partial<Step> = {}) => saga({ s3: { action: anAction({ data: { n: 's3' }, save: [SAVE] }), ...overrides } });
    const savingFails =
      (...steps: readonly string[]): CrashingOptions['outcome'] =>
      (step, perform, state) =>
        perform.isProgram ? fails('the storage is away') : failing(...steps)(step, perform, state);
    const first = (events: readonly RunEvent[]) => events.find((event) => event.type === 'compensation_started');
    const undoOf = (why: string | null) => ({ step: 's3.compensate', request: { undo: 'id of s3', was: 's3', why } });

    it.each([
      ['that fails is undone', savingFails(), undefined, 'http_error', 'step_failed'],
      [
        'whose failure is absorbed is undone when another step fails',
        savingFails('s4'),
        { kind: 'continue' },
        'http_error',
        'step_completed',
      ],
    ] as const)('a save %s, wherever its holder crashes', (_how, outcome, onError, why, end) => {
      const playbook = saved(onError ? { onError } : {});
      const plain = crashingRun(playbook, { outcome });
      expect(of(plain.events, end)).toContain('s3');
      for (let crash = 0; crash < plain.turns; crash++) {
        const { events } = crashingRun(playbook, { outcome, crashes: [crash] });
        expect(undone(events)).toEqual(reversed(3));
        expect(first(events)).toMatchObject(undoOf(why));
      }
    });

    it('is undone where it is cancelled meanwhile, with and without crashes', () => {
      const told = { turn: 4, stimulus: { kind: 'cancel', reason: 'stop', force: false } as const };
      for (const crashes of [[], [4], [5], [6]]) {
        const { events } = crashingRun(saved(), { outcome: savingFails(), told, crashes });
        expect(of(events, 'action_acted', 'step_skipped')).toEqual(['s3', 's3']);
        expect(undone(events)).toEqual(reversed(3));
        expect(first(events)).toMatchObject(undoOf(null));
      }
    });

    it('is undone where another branch fails that takes along what the step calls', () => {
      const call = anAction({ type: 'playbook', fields: { path: 'called' }, data: { n: 'call' }, save: [SAVE] });
      const fork = compiled([
        aStep('start', { next: to('call', 'other') }),
        acting('call', to('end'), { action: call }),
        aStep('other', { action: anAction() }),
        aStep('end'),
      ]);
      const aborted: AttemptOutcome = { ok: false, failure: new StepFailure('cancelled', 'The step was aborted.', { retryable: false }) };
      const outcome: CrashingOptions['outcome'] = (step, _perform, { failure }) =>
        step === 'other' ? fails() : failure && step === 'call' ? aborted : gives({ id: 1 });
      for (const crashes of [[], [3], [4]]) {
        const { events } = crashingRun(fork, { outcome, crashes });
        const ends = of(events, 'action_acted', 'step_failed', 'step_skipped').filter((step) => step !== 'end');
        expect(ends).toEqual(['call', 'other', 'call']);
        expect(undone(events)).toEqual(['call.compensate']);
      }
    });

    it('a history that was written when it was not undone is read as it was', () => {
      const told = { turn: 4, stimulus: { kind: 'cancel', reason: null, force: false } as const };
      const { events } = crashingRun(saved(), { outcome: savingFails(), told });
      const since = events.findIndex(({ type }) => type === 'compensation_started');
      const earlier = events.slice(since).filter((event) => 'step' in event && event.step === 's2.compensate');
      const state = foldEvents(saved(), {}, [...events.slice(0, since), ...earlier]);
      expect(state.undoable.map(({ step }) => STEPS[step])).toEqual(['s1', 's3']);
    });
  });

  it('undoes every wave of a loop with its own value', () => {
    let round = 0;
    const loop = compiled([
      aStep('start', { next: to('body') }),
      acting('body', [when('{{ body.id < 3 }}', 'body'), { kind: 'else', then: [{ step: 'last', data: {} }] }]),
      aStep('last', { action: anAction() }),
      aStep('end'),
    ]);
    const { events } = crashingRun(loop, {
      outcome: (step) => (step === 'last' ? fails() : gives({ id: step === 'body' ? ++round : 0 })),
      crashes: [6],
    });
    const undos = events.flatMap((event) => (event.type === 'compensation_started' ? [[event.wave, event.request]] : []));
    expect(undos).toEqual([3, 2, 1].map((wave) => [wave, { undo: wave, was: 'body', why: 'http_error' }]));
  });

  it('an attempt after the first that is under way when another branch fails is awaited and undone, wherever its holder crashes', () => {
    const fork = compiled([
      aStep('start', { next: to('charge', 'other') }),
      acting('charge', to('end'), { action: anAction({ data: { n: 'charge' }, retry: RETRY }) }),
      aStep('other', { action: anAction(), next: to('last') }),
      aStep('last', { action: anAction(), next: to('end') }),
      aStep('end'),
    ]);
    const outcome: CrashingOptions['outcome'] = (step, { attempt }) =>
      step === 'last' || (step === 'charge' && attempt === 1) ? fails() : gives({ id: 1 });
    const plain = crashingRun(fork, { outcome });
    // It is in its second attempt when the other branch fails.
    expect(of(plain.events, 'action_retry', 'step_woken', 'step_failed', 'step_completed').slice(1)).toEqual([
      'charge',
      'other',
      'charge',
      'last',
      'charge',
    ]);
    expect(undone(plain.events)).toEqual(['charge.compensate']);
    for (let crash = 1; crash < plain.turns; crash++) {
      const { events } = crashingRun(fork, { outcome, crashes: [crash] });
      const ended = of(events, 'step_completed').filter((step) => step === 'charge');
      expect(undone(events)).toEqual(ended.map((step) => `${step}.compensate`));
      // One that had begun is not skipped.
      const begun = events.some(({ type }) => type === 'step_woken');
      expect(of(events, 'step_skipped').includes('charge')).toBe(!begun);
    }
  });

  it('undoes parallel branches in the order in which they ended', () => {
    const fork = compiled([
      aStep('start', { next: to('s1', 's2', 's3') }),
      ...['s1', 's2', 's3'].map((name) => acting(name, to('join'))),
      aStep('join', { action: anAction() }),
      aStep('end'),
    ]);
    const { events } = crashingRun(fork, { outcome: failing('join') });
    expect(undone(events)).toEqual(
      of(events, 'step_completed')
        .slice(1)
        .reverse()
        .map((step) => `${step}.compensate`),
    );
  });

  it('neither a pause nor the time-out of the execution hold it up, and a paused one that is cancelled undoes', () => {
    const outcome = failing('s4');
    for (let turn = 5; turn < 9; turn++) {
      const told = { turn, stimulus: { kind: 'pause', reason: null } as const };
      for (const crashes of [[], [turn + 1]]) expect(undone(crashingRun(saga(), { outcome, told, crashes }).events)).toEqual(reversed(3));
    }
    const late = crashingRun(saga(), { outcome: failing(), timeoutAt: Date.UTC(2026, 0, 1) + 12 });
    expect(undone(late.events).length).toBeGreaterThan(0);
    expect(late.events.at(-1)).toMatchObject({ type: 'execution_failed', error: { code: 'execution_timeout' } });
    expect(undone(late.events)).toEqual(
      of(late.events, 'step_completed')
        .reverse()
        .map((step) => `${step}.compensate`),
    );
  });

  it('a result that breaks the promise of the output schema is undone, too', () => {
    const { playbook } = saga();
    const contract = { ...playbook.contract, outputSchema: { type: 'object', required: ['never'] } };
    const { events } = crashingRun(compiled(playbook.workflow, {}, { contract }), { outcome: failing() });
    expect(undone(events)).toEqual(reversed(5));
    expect(events.at(-1)).toMatchObject({ type: 'execution_failed', error: { code: 'output_schema_mismatch' } });
  });

  it('what a cancel with force left is kept by a retry; what was undone fires again, and what came of it', () => {
    const playbook = saga({ s3: {} });
    const { events } = crashingRun(playbook, { outcome: failing('s4') });
    const kept = withoutUndone(playbook, events, keptForRetry(events));
    expect(kept).toEqual([]);
    const again = crashingRun(playbook, { outcome: failing(), kept });
    expect(of(again.events, 'step_completed')).toEqual([...STEPS, 'end']);

    const told = { turn: 6, stimulus: { kind: 'cancel', reason: null, force: true } as const };
    const forced = crashingRun(playbook, { outcome: failing('s4'), told });
    const left = withoutUndone(playbook, forced.events, keptForRetry(forced.events));
    // The undoing of s2 had begun: nobody knows what is left of it.
    expect(of(left, 'step_completed')).toEqual(['s1']);
    // The one that goes on is now the one that undoes, with what the first one kept.
    expect(undone(crashingRun(playbook, { outcome: failing('s4'), kept: left }).events)).toEqual(reversed(3));
    // A fork leaves it to the execution that did it.
    const forked = inherited(keptForFork(playbook, forced.events, 's3')!);
    expect(undone(crashingRun(playbook, { outcome: failing('s4'), kept: forked }).events)).toEqual(['s3.compensate']);
  });
});
