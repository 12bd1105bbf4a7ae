import { type NextEntry } from '../playbook/playbook.js';
import { StepFailure } from '../step-executor.js';
import { aStep, anAction, compiled, to } from '../testing/playbook-builder.js';
import { simulateRun } from '../testing/simulated-run.js';
import { type Json, type JsonObject } from '../values.js';
import { completeStep, failStep } from './settle.js';

const edgeTo = (step: string, data: JsonObject): NextEntry[] => [{ kind: 'plain', then: [{ step, data }] }];
const anEnd = (result: Json) => aStep('end', { result, hasResult: true });
/** The result of these steps, where `act` gives the value. */
const resultOf = (steps: Parameters<typeof compiled>[0], value: Json = null, logs?: string): Json =>
  simulateRun(compiled(steps), { outcome: () => ({ ok: true, result: { value, ...(logs === undefined ? {} : { logs }) } }) }).result;

describe(completeStep.name, () => {
  it('its edges and the result of end see the diagnostics of a step, as later steps do', () => {
    const meta = { attempt: '{{ act.meta.attempt }}', logs: '{{ this.meta.logs }}', save: '{{ act.meta.save.status }}' };
    const seen = { attempt: 1, logs: 'said', save: 'success' };
    const action = anAction({
      save: [{ storage: 'event_log', when: null, on: 'success', name: null, data: null, auth: null, onError: null, fields: {} }],
    });
    expect(resultOf([aStep('act', { action, next: edgeTo('end', meta) }), aStep('end')], null, 'said')).toEqual(seen);
    expect(resultOf([aStep('act', { action, next: to('end') }), anEnd({ ...meta, logs: '{{ act.meta.logs }}' })], null, 'said')).toEqual(
      seen,
    );
    expect(
      resultOf([aStep('start', { next: to('end') }), aStep('end', { action, result: '{{ this.meta.save.status }}', hasResult: true })]),
    ).toBe('success');
  });

  it('an edge of a step that failed and goes on sees its diagnostics', () => {
    const steps = [
      aStep('act', {
        action: anAction({ assert: { expects: [], returns: [{ path: 'x', type: null }], mode: null } }),
        onError: { kind: 'continue' },
        next: edgeTo('end', { attempt: '{{ act.meta.attempt }}' }),
      }),
      aStep('end'),
    ];
    expect(resultOf(steps)).toEqual({ attempt: 1 });
  });

  it('takes no variables from an action that was skipped', () => {
    const taking = (name: string, pass: Json, next: NextEntry[]) =>
      aStep(name, { action: anAction(), pass, vars: { token: '{{ result.token }}' }, next });
    expect(resultOf([taking('start', null, to('again')), taking('again', true, to('end')), anEnd('{{ vars }}')], { token: 't' })).toEqual({
      token: 't',
    });
  });
});

describe(failStep.name, () => {
  const failingEnd = (overrides: Parameters<typeof aStep>[1]) =>
    simulateRun(
      compiled([
        aStep('start', { data: { before: 1 }, next: to('end') }),
        aStep('end', { action: anAction(), onError: { kind: 'continue' }, ...overrides }),
      ]),
      { outcome: () => ({ ok: false, failure: new StepFailure('http_error', 'no', { statusCode: 500 }) }) },
    );

  it.each<[string, Json, Json]>([
    [
      'its result',
      { failed: '{{ end.status }}', why: '{{ error.message }}', before: '{{ start.before }}' },
      { failed: 'error', why: 'no', before: 1 },
    ],
    ['null, where that is its result', null, null],
    ['what its action came to, where its result cannot be rendered', '{{ 1 / 0 }}', { status: 'error', error: 'no', status_code: 500 }],
  ])('an end that goes on after its failure gives %s', (_name, result, expected) => {
    const run = failingEnd({ result, hasResult: true });
    expect([run.terminal.type, run.result]).toEqual(['execution_completed', expected]);
  });

  it('an end that goes on after its failure gives what its action came to', () => {
    expect(failingEnd({}).result).toEqual({ status: 'error', error: 'no', status_code: 500 });
  });
});
