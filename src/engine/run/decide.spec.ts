import { StepFailure } from '../step-executor.js';
import { type Json } from '../values.js';
import { aRetry, aStep, anAction, compiled, to, when } from '../testing/playbook-builder.js';
import { simulateRun } from '../testing/simulated-run.js';
import { decide } from './decide.js';
import { type AttemptOutcome } from './decision.js';
import { type RunEvent } from './events.js';

const fails = (message = 'no', detail: ConstructorParameters<typeof StepFailure>[2] = {}): AttemptOutcome => ({
  ok: false,
  failure: new StepFailure('http_error', message, detail),
});
const gives = (value: Extract<AttemptOutcome, { ok: true }>['result']['value']): AttemptOutcome => ({ ok: true, result: { value } });
const types = (events: readonly RunEvent[]): string[] =>
  events.map((event) => ('step' in event ? `${event.type} ${event.step}` : event.type));
const RETRY = aRetry();
const acting = (overrides: Parameters<typeof aStep>[1] = {}) => aStep('act', { action: anAction(), next: to('end'), ...overrides });

describe(decide.name, () => {
  it('hello world: four events, the result from the data that reached end', () => {
    const playbook = compiled(
      [aStep('start', { next: [{ kind: 'plain', then: [{ step: 'end', data: { message: '{{ workload.message }}' } }] }] }), aStep('end')],
      { message: 'Hello World' },
    );
    const run = simulateRun(playbook);
    expect(types(run.events)).toEqual(['execution_started', 'step_completed start', 'step_completed end', 'execution_completed']);
    expect(run.result).toEqual({ message: 'Hello World' });
  });

  it('parameters lie over the workload and are never rendered', () => {
    const playbook = compiled([aStep('start', { data: { m: '{{ workload.message }}' } })], { message: 'Hello', other: 1 });
    expect(simulateRun(playbook, { parameters: { message: '{{ 7 * 7 }}' } }).result).toEqual({ m: '{{ 7 * 7 }}' });
  });

  it('takes every edge whose condition holds, else where none did, plain where nothing decides', () => {
    const last = (next: Parameters<typeof aStep>[1]) =>
      Object.keys(
        simulateRun(compiled([aStep('start', next), aStep('x', { data: { x: 1 } }), aStep('y', { data: { y: 1 } })])).result as object,
      );
    expect(last({ next: [when('true', 'x'), when('{{ true }}', 'y')] })).toEqual(['x', 'y']);
    expect(last({ next: [when('false', 'x'), { kind: 'else', then: [{ step: 'y', data: {} }] }] })).toEqual(['y']);
    expect(last({ next: [when('false', 'x'), ...to('y')] })).toEqual(['y']);
    expect(last({ next: [when('true', 'x'), ...to('y')] })).toEqual(['x']);
    expect(last({ next: [when('1 < "a"', 'x'), ...to('y')] })).toEqual(['y']);
  });

  it('retries a failing action as often as allowed, then fails the run', () => {
    let attempts = 0;
    const run = simulateRun(compiled([acting({ action: anAction({ retry: RETRY }) }), aStep('end')]), {
      outcome: () => (attempts++, fails()),
    });
    expect(attempts).toBe(3);
    expect(run.events.filter((event) => event.type === 'action_retry').map((event) => event.delayMs)).toEqual([1000, 2000]);
    expect(run.terminal).toMatchObject({ type: 'execution_failed', error: { code: 'http_error', step: 'act', attempt: 3 } });
  });

  it.each([
    ['retry_when on the status code', { retryWhen: '{{ status_code >= 500 }}' }, [503, 503, 200], 3, 'execution_completed'],
    ['retry_when that does not hold', { retryWhen: '{{ status_code >= 500 }}' }, [404], 1, 'execution_failed'],
    ['retry_when on None', { retryWhen: '{{ error != None }}' }, [500, 200], 2, 'execution_completed'],
    ['stop_when', { retryWhen: 'true', stopWhen: '{{ status_code == 200 }}' }, [500, 200], 2, 'execution_completed'],
    [
      'on_error.when that would hold for a success',
      { retryWhen: '{{ error.status != 404 }}', onlyErrors: true },
      [500, 200],
      2,
      'execution_completed',
    ],
    ['retry_on another class', { retryOn: ['timeout'] }, [500], 1, 'execution_failed'],
  ])('%s', (_name, policy, statuses, attempts, end) => {
    let count = 0;
    const run = simulateRun(compiled([acting({ action: anAction({ retry: { ...RETRY, ...policy } }) }), aStep('end')]), {
      outcome: () => {
        const status = statuses[count++]!;
        return status < 400 ? gives({ status_code: status }) : fails('no', { statusCode: status });
      },
    });
    expect([count, run.terminal.type]).toEqual([attempts, end]);
  });

  it('polls while retry_when holds for a success, and fails where it never stops', () => {
    let count = 0;
    const poll = compiled([acting({ action: anAction({ retry: { ...RETRY, retryWhen: '{{ result.done == false }}' } }) }), aStep('end')]);
    expect(simulateRun(poll, { outcome: () => gives({ done: ++count === 2 }) }).terminal.type).toBe('execution_completed');
    expect(simulateRun(poll, { outcome: () => gives({ done: false }) }).terminal).toMatchObject({ error: { code: 'retry_exhausted' } });
  });

  it('does not retry what cannot get better', () => {
    let count = 0;
    simulateRun(compiled([acting({ action: anAction({ retry: RETRY }) }), aStep('end')]), {
      outcome: () => (count++, fails('no', { retryable: false })),
    });
    expect(count).toBe(1);
  });

  it('on_error: continue routes with an error value', () => {
    const playbook = compiled([
      acting({ onError: { kind: 'continue' }, next: [when("{{ act.status == 'error' }}", 'handle')] }),
      aStep('handle', { data: { saw: '{{ act.error }}' } }),
    ]);
    const run = simulateRun(playbook, { outcome: () => fails('boom', { statusCode: 500 }) });
    expect(run.terminal.type).toBe('execution_completed');
    expect(run.result).toEqual({ saw: 'boom' });
  });

  it('on_error: a step goes there, and it sees the error', () => {
    const playbook = compiled([
      acting({ onError: { kind: 'goto', target: { step: 'handle', data: { a: 1 } } } }),
      aStep('handle', { data: { m: '{{ error.message }}', s: '{{ error.step }}', c: '{{ error.status }}' } }),
      aStep('end'),
    ]);
    const run = simulateRun(playbook, { outcome: () => fails('boom', { statusCode: 502 }) });
    expect(run.result).toEqual({ a: 1, m: 'boom', s: 'act', c: 502 });
  });

  it('after a failure nothing starts, what runs may finish, and the first failure is the reason', () => {
    const playbook = compiled([
      aStep('start', { next: to('bad', 'good') }),
      aStep('bad', { action: anAction() }),
      aStep('good', { action: anAction(), next: to('after') }),
      aStep('after'),
      aStep('end'),
    ]);
    const run = simulateRun(playbook, { outcome: (step) => (step === 'bad' ? fails('first') : gives({ kept: true })) });
    expect(types(run.events)).toEqual([
      'execution_started',
      'step_completed start',
      'step_started bad',
      'step_started good',
      'step_failed bad',
      'step_completed good',
      'step_skipped after',
      'execution_failed',
    ]);
    expect(run.terminal).toMatchObject({ error: { message: 'first', step: 'bad' } });
  });

  it('a join that was skipped is not skipped again when the others arrive', () => {
    const playbook = compiled([
      aStep('start', { next: to('bad', 'one', 'two') }),
      aStep('bad', { action: anAction() }),
      aStep('one', { action: anAction(), next: to('both') }),
      aStep('two', { action: anAction(), next: to('both') }),
      aStep('both', { next: to('end') }),
      aStep('end'),
    ]);
    const run = simulateRun(playbook, { outcome: (step) => (step === 'bad' ? fails('first') : gives(1)) });
    expect(types(run.events).slice(-5)).toEqual([
      'step_failed bad',
      'step_completed one',
      'step_skipped both',
      'step_completed two',
      'execution_failed',
    ]);
  });

  it('cancel skips what waits, ends as cancelled, and a later failure does not matter', () => {
    const playbook = compiled([
      aStep('start', { next: to('one', 'two') }),
      aStep('one', { action: anAction({ retry: RETRY }) }),
      aStep('two', { action: anAction() }),
      aStep('end'),
    ]);
    const run = simulateRun(playbook, {
      outcome: () => fails(),
      interrupt: (state) => (state.cancel ? null : { kind: 'cancel', reason: 'enough', force: false }),
    });
    expect(run.terminal).toEqual({ type: 'execution_cancelled', reason: 'enough' });
    expect(types(run.events)).not.toContain('action_retry one');
    expect(types(run.events).at(-2)).toMatch(/^step_skipped/);
  });

  it('pass and when skip the action and go on', () => {
    const playbook = compiled(
      [
        acting({ pass: '{{ workload.steps.act }}', data: {}, next: to('second') }),
        aStep('second', { action: anAction(), when: 'false', next: to('end') }),
        aStep('end'),
      ],
      { steps: { act: true } },
    );
    const run = simulateRun(playbook);
    expect(types(run.events)).not.toContain('step_started act');
    expect(run.events.flatMap((event) => (event.type === 'step_completed' && event.passed ? [event.step] : []))).toEqual(['act', 'second']);
  });

  it('publishes as, vars and variables, and projects a value', () => {
    const playbook = compiled([
      acting({
        as: 'alias',
        result: { only: '{{ result.deep.x }}' },
        hasResult: true,
        vars: { v: '{{ result.only }}' },
        action: anAction({
          save: [
            {
              storage: 'variables',
              when: null,
              on: 'success',
              name: 'kept',
              data: { s: '{{ this.data.only }}' },
              auth: null,
              onError: null,
              fields: {},
            },
          ],
        }),
        next: to('show'),
      }),
      aStep('show', { data: { a: '{{ alias.only }}', b: '{{ act.result.only }}', c: '{{ vars.v }}', d: '{{ kept.s }}' } }),
    ]);
    expect(simulateRun(playbook, { outcome: () => gives({ deep: { x: 7 } }) }).result).toEqual({ a: 7, b: 7, c: 7, d: 7 });
  });

  describe('variables that a step saves', () => {
    const keeping = (name: string | null, data: Json, on: 'success' | 'error' = 'success') =>
      anAction({ save: [{ storage: 'variables', when: null, on, name, data, auth: null, onError: null, fields: {} }] });
    const shown = aStep('show', { data: { later: '{{ kept }}' } });
    const showing = [when('{{ kept == 7 }}', 'show', { edge: '{{ kept }}' })];

    it('are seen by its own edges, and by the steps after it', () => {
      const playbook = compiled([acting({ action: keeping('kept', '{{ result.x }}'), next: showing }), shown]);
      expect(simulateRun(playbook, { outcome: () => gives({ x: 7 }) }).result).toEqual({ edge: 7, later: 7 });
    });

    it('are each key of its data where the save has no name', () => {
      const playbook = compiled([acting({ action: keeping(null, { kept: '{{ result.x }}' }), next: showing }), shown]);
      expect(simulateRun(playbook, { outcome: () => gives({ x: 7 }) }).result).toEqual({ edge: 7, later: 7 });
    });

    it('are seen by the result of end, where end saves them', () => {
      const end = aStep('end', { action: keeping('kept', '{{ result.x }}'), result: '{{ kept }}', hasResult: true });
      expect(simulateRun(compiled([aStep('start', { next: to('end') }), end]), { outcome: () => gives({ x: 7 }) }).result).toBe(7);
    });

    it('are seen where on_error leads to', () => {
      const action = keeping('kept', '{{ this.error }}', 'error');
      const handled = acting({ action, onError: { kind: 'goto', target: { step: 'show', data: { edge: '{{ kept }}' } } } });
      expect(simulateRun(compiled([handled, shown]), { outcome: () => fails('down') }).result).toEqual({ edge: 'down', later: 'down' });
    });

    it('are none where a save without a name has no keys to give', () => {
      const playbook = compiled([acting({ action: keeping(null, '{{ result.x }}'), next: to('show') }), shown]);
      expect(simulateRun(playbook, { outcome: () => gives({ x: 7 }) }).result).toEqual({ later: null });
    });
  });

  it('asserts inputs before the action and outputs after it', () => {
    const assert = { expects: [{ path: 'city', type: null }], returns: [{ path: 'temp', type: 'number' as const }], mode: null };
    const playbook = (data: string) => compiled([acting({ action: anAction({ assert, data: { city: data } }) }), aStep('end')]);
    expect(simulateRun(playbook('{{ missing }}')).terminal).toMatchObject({ error: { code: 'assert_expects' } });
    expect(simulateRun(playbook('Prague'), { outcome: () => gives({ temp: 'x' }) }).terminal).toMatchObject({
      error: { code: 'assert_returns' },
    });
    expect(simulateRun(playbook('Prague'), { outcome: () => gives({ data: { temp: 3 } }) }).terminal.type).toBe('execution_completed');
  });

  it('a template that throws fails the step, and a storage that cannot be written fails it before its effect', () => {
    expect(simulateRun(compiled([aStep('start', { data: { x: '{{ 1 / 0 }}' } })])).terminal).toMatchObject({
      error: { code: 'template_error', step: 'start' },
    });
    const save = { storage: 'postgres', when: null, on: 'success' as const, name: null, data: null, auth: null, onError: null, fields: {} };
    const run = simulateRun(compiled([acting({ action: anAction({ save: [save] }) }), aStep('end')]));
    expect(run.terminal).toMatchObject({ error: { code: 'unsupported_storage' } });
    expect(types(run.events)).not.toContain('step_started act');
  });

  it('a step type that cannot run here fails clearly', () => {
    const playbook = compiled([acting({ action: anAction({ type: 'snowflake' }) }), aStep('end')]);
    expect(simulateRun(playbook).terminal).toMatchObject({ error: { code: 'unsupported_type', step: 'act' } });
  });

  it('the result: end.result, else the save of end, else the last values', () => {
    const ending = (end: Parameters<typeof aStep>[1]) =>
      simulateRun(compiled([aStep('start', { data: { v: 1 }, next: to('end') }), aStep('end', end)])).result;
    const save = (data: number, condition: string | null) => ({
      storage: 'event_log',
      when: condition,
      on: 'success' as const,
      name: null,
      data: { data },
      auth: null,
      onError: null,
      fields: {},
    });
    expect(ending({ result: { r: '{{ start.v }}' }, hasResult: true, save: [save(1, null)] })).toEqual({ r: 1 });
    expect(ending({ save: [save(1, null), save(2, 'true'), save(3, 'false')] })).toEqual({ data: 2 });
    expect(ending({})).toEqual({ v: 1 });
  });

  it('end runs by itself where every branch just ends', () => {
    const run = simulateRun(
      compiled([aStep('start', { next: to('a', 'b') }), aStep('a', { data: { a: 1 } }), aStep('b', { data: { b: 1 } }), aStep('end')]),
    );
    expect(run.result).toEqual({ a: { a: 1 }, b: { b: 1 } });
    expect(types(run.events).at(-2)).toBe('step_completed end');
  });

  it('steps_override of the document runs these steps, in order; a caller cannot bring it', () => {
    const steps = [
      aStep('start', { next: to('a') }),
      aStep('a', { data: { a: 1 }, next: to('b') }),
      aStep('b', { data: { b: 1 } }),
      aStep('end'),
    ];
    const run = simulateRun(compiled(steps, { steps_override: ['b', 'a'] }));
    expect(run.events.flatMap((event) => (event.type === 'step_completed' ? [event.step] : []))).toEqual(['b', 'a']);
    const plain = simulateRun(compiled(steps), { parameters: { steps_override: ['b'] } });
    expect(plain.events.flatMap((event) => (event.type === 'step_completed' ? [event.step] : []))).toEqual(['start', 'a', 'b', 'end']);
  });
});
