import { authorCode } from '../error-codes.js';
import { NO_CONTRACT } from '../playbook/playbook.js';
import { StepFailure } from '../step-executor.js';
import { aStep, anAction, compiled, to, when } from '../testing/playbook-builder.js';
import { simulateRun } from '../testing/simulated-run.js';
import { type Json } from '../values.js';
import { decide } from './decide.js';
import { type AttemptOutcome } from './decision.js';
import { LOOP_LIMITS } from './fire.js';

const fails = (detail: ConstructorParameters<typeof StepFailure>[2] = {}): AttemptOutcome => ({
  ok: false,
  failure: new StepFailure('http_error', 'no', detail),
});
const gives = (value: Json, logs?: string): AttemptOutcome => ({ ok: true, result: { value, ...(logs === undefined ? {} : { logs }) } });
const completed = (run: ReturnType<typeof simulateRun>): string[] =>
  run.events.flatMap((event) => (event.type === 'step_completed' ? [event.step] : []));
const saveAs = (name: string, data: Json) => ({
  storage: 'variables',
  when: null,
  on: 'success' as const,
  name,
  data,
  auth: null,
  onError: null,
  fields: {},
});

describe(`${decide.name}: corners`, () => {
  it.each<[string, Json, object]>([
    ['keeps its promise', 1, { type: 'execution_completed' }],
    ['breaks it', 'one', { type: 'execution_failed', error: { code: 'output_schema_mismatch', step: null, retryable: false } }],
  ])('the result of an execution %s', (_name, value, end) => {
    const outputSchema = { properties: { n: { type: 'number' } } };
    const run = simulateRun(
      compiled(
        [aStep('start', { next: to('end') }), aStep('end', { result: { n: value }, hasResult: true })],
        {},
        { contract: { ...NO_CONTRACT, outputSchema } },
      ),
    );
    expect(run.terminal).toMatchObject(end);
    expect(run.result).toEqual(value === 1 ? { n: 1 } : null);
  });

  it('no on_error absorbs the limit of a loop', () => {
    const endless = (onError: 'continue' | 'goto') =>
      compiled([
        aStep('start', { next: to('loop') }),
        aStep('loop', {
          action: anAction(),
          onError: onError === 'continue' ? { kind: 'continue' } : { kind: 'goto', target: { step: 'loop', data: {} } },
          next: to('loop'),
        }),
      ]);
    for (const onError of ['continue', 'goto'] as const) {
      const run = simulateRun(endless(onError));
      expect(run.terminal).toMatchObject({ type: 'execution_failed', error: { code: 'loop_limit', step: 'loop' } });
      expect(run.state.fired[1]).toBe(LOOP_LIMITS.runsOfOneStep + 1);
    }
  });

  it('end runs once, also where its own failure is handled and the handler leads back to it', () => {
    const playbook = compiled([
      aStep('start', { next: to('end') }),
      aStep('handle', { data: { saw: '{{ error.step }}' }, next: to('end') }),
      aStep('end', { action: anAction(), onError: { kind: 'goto', target: { step: 'handle', data: {} } } }),
    ]);
    const run = simulateRun(playbook, { outcome: () => fails() });
    expect(run.events.filter((event) => event.type === 'step_started' && event.step === 'end')).toHaveLength(1);
    expect(run.terminal.type).toBe('execution_completed');
    expect(run.result).toEqual({ saw: 'end' });
  });

  it('an override runs its steps once each, and a handler outside of it does not begin it again', () => {
    const steps = [
      aStep('start', { next: to('a') }),
      aStep('a', { action: anAction(), onError: { kind: 'goto', target: { step: 'handler', data: {} } } }),
      aStep('b'),
      aStep('handler'),
    ];
    expect(completed(simulateRun(compiled(steps, { steps_override: ['b', 'a', 'b'] })))).toEqual(['b', 'a']);
    expect(completed(simulateRun(compiled(steps, { steps_override: ['b', 'a'] }), { outcome: () => fails() }))).toEqual(['b', 'handler']);
  });

  it('after an action, result and data are its value, whatever the inputs are called', () => {
    const playbook = compiled([
      aStep('start', {
        action: anAction({ data: { data: 'input', result: 'input' }, save: [saveAs('kept', { d: 'data', r: '{{ result.n }}' })] }),
        next: [when('{{ result.n == 1 }}', 'show', { edge: '{{ data.n }}' })],
      }),
      aStep('show', { data: { kept: '{{ kept }}' } }),
    ]);
    expect(simulateRun(playbook, { outcome: () => gives({ n: 1 }) }).result).toEqual({ edge: 1, kept: { d: { n: 1 }, r: 1 } });
  });

  it('a router sees its inputs named result and data as such', () => {
    const playbook = compiled([
      aStep('start', { data: { result: { ok: true } }, next: [when('{{ result.ok }}', 'end', { result: { value: 7 } })] }),
      aStep('end', { result: { v: '{{ result.value }}' }, hasResult: true }),
    ]);
    expect(simulateRun(playbook).result).toEqual({ v: 7 });
  });

  it.each([
    ['half of a surrogate pair', '{{ workload.half }}'],
    ['one text too many times', '{{ vars.big }}'],
  ])('a rendered value that cannot be stored fails its step alone: %s', (_name, template) => {
    const big = 'x'.repeat(600_000);
    const playbook = compiled(
      [
        aStep('start', { vars: { big: Object.fromEntries([1, 2, 3].map((n) => [n, '{{ workload.big }}'])) }, next: to('bad') }),
        aStep('bad', {
          data: Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${n}`, template])),
          onError: { kind: 'continue' },
          next: to('end'),
        }),
        aStep('end'),
      ],
      { big, half: '\ud83d' },
    );
    const run = simulateRun(playbook);
    expect(run.terminal.type).toBe('execution_completed');
    const bad = run.events.find((event) => event.type === 'step_completed' && event.step === 'bad');
    expect(bad).toMatchObject({ error: { code: expect.stringMatching(/^result_(not_storable|too_large)$/) as string }, inputs: {} });
  });

  it('values that share parts without end are refused without being walked to the end', () => {
    const playbook = compiled([aStep('start', { vars: { v: '{{ [vars.v, vars.v] }}' }, next: [when('true', 'start')] })]);
    const run = simulateRun(playbook);
    expect(run.terminal).toMatchObject({
      type: 'execution_failed',
      error: { step: 'start', code: expect.stringMatching(/^result_/) as string },
    });
  });

  it('prints that cannot be stored lose only what cannot', () => {
    const playbook = compiled([aStep('start', { action: anAction() })]);
    const run = simulateRun(playbook, { outcome: () => gives(1, 'a\0b\ud800c') });
    expect(run.terminal.type).toBe('execution_completed');
    expect(run.events.find((event) => event.type === 'step_completed')).toMatchObject({ logs: 'a\ufffdb\ufffdc' });
  });

  it('warnings of the inputs of an action are recorded with its start, those of its retry conditions with the retry', () => {
    const retry = {
      maxAttempts: 2,
      initialDelay: 1,
      backoffMultiplier: 2,
      maxDelay: 60,
      jitter: false,
      retryWhen: 'true',
      stopWhen: '1 < "a"',
      retryOn: null,
      onSuccess: null,
    };
    const playbook = compiled([aStep('start', { action: anAction({ data: { x: '{{ missing }}' }, retry }) })]);
    const run = simulateRun(playbook, { outcome: () => fails() });
    expect(run.events.find((event) => event.type === 'step_started')).toMatchObject({ warnings: [expect.stringContaining('missing')] });
    expect(run.events.find((event) => event.type === 'action_retry')).toMatchObject({ warnings: [expect.stringContaining('stop_when')] });
  });

  it('an attempt that was never begun is skipped where the run has failed meanwhile', () => {
    const playbook = compiled([
      aStep('start', { next: to('bad', 'late') }),
      aStep('bad', { action: anAction() }),
      aStep('late', { action: anAction() }),
      aStep('end'),
    ]);
    const run = simulateRun(playbook, {
      outcome: (step) =>
        step === 'bad'
          ? fails()
          : { ok: false, failure: new StepFailure('cancelled', 'The step was not begun.', { retryable: false, origin: 'abort' }) },
    });
    expect(run.terminal).toMatchObject({ type: 'execution_failed', error: { step: 'bad' }, others: [] });
    expect(run.events).toContainEqual({ type: 'step_skipped', step: 'late', stepType: 'act', wave: 1, reason: 'failure' });
  });

  it('an attempt that failed is one where the run has failed meanwhile, whatever its author called the failure', () => {
    const playbook = compiled([
      aStep('start', { next: to('bad', 'late') }),
      aStep('bad', { action: anAction() }),
      aStep('late', { action: anAction() }),
      aStep('end'),
    ]);
    const own = new StepFailure(authorCode('cancelled'), 'no', { retryable: false });
    const run = simulateRun(playbook, { outcome: (step) => (step === 'bad' ? fails() : { ok: false, failure: own }) });
    expect(run.terminal).toMatchObject({ error: { step: 'bad' }, others: [{ step: 'late', code: 'cancelled' }] });
  });

  it('expects finds what auth declares, and a save step records its inputs', () => {
    const assert = { expects: [{ path: 'auth.pg', type: null }], returns: [], mode: null };
    const ending = (auth: Json) => simulateRun(compiled([aStep('start', { action: anAction({ assert, auth }) })])).terminal;
    expect(ending({ pg: { type: 'postgres', key: 'db' } }).type).toBe('execution_completed');
    expect(ending(null)).toMatchObject({ error: { code: 'assert_expects' } });
    const save = { ...saveAs('kept', null), data: null };
    const playbook = compiled([
      aStep('start', { next: [{ kind: 'plain', then: [{ step: 'end', data: { a: 1 } }] }] }),
      aStep('end', { action: anAction({ type: 'save', save: [save] }) }),
    ]);
    expect(simulateRun(playbook).result).toEqual({ a: 1 });
  });

  it('a step that always wants another attempt is cut by the limit of the history', () => {
    const retry = {
      maxAttempts: 1e9,
      initialDelay: 0,
      backoffMultiplier: 1,
      maxDelay: 0,
      jitter: false,
      retryWhen: null,
      stopWhen: null,
      retryOn: null,
      onSuccess: null,
    };
    const run = simulateRun(compiled([aStep('start', { action: anAction({ retry }) })]), { outcome: () => fails() });
    expect(run.terminal.type).toBe('execution_failed');
    expect(run.events.length).toBeLessThanOrEqual(LOOP_LIMITS.events + 2);
  });

  it('else is taken only where no condition before it held; an inline else belongs to its own', () => {
    const otherwise = { kind: 'else' as const, then: [{ step: 'y', data: {} }] };
    const inline = { kind: 'when' as const, when: 'false', then: [], else: [{ step: 'y', data: {} }] };
    const after = (next: Parameters<typeof aStep>[1]): string[] =>
      completed(simulateRun(compiled([aStep('start', next), aStep('x'), aStep('y')]))).slice(1);
    expect(after({ next: [when('true', 'x'), otherwise] })).toEqual(['x']);
    expect(after({ next: [otherwise, when('true', 'x')] })).toEqual(['y', 'x']);
    expect(after({ next: [when('true', 'x'), inline] })).toEqual(['x', 'y']);
  });
});
