import { compilePlaybook } from '../playbook/compile.js';
import { answerIssues } from '../playbook/input-requests.js';
import { parsePlaybook } from '../playbook/parse-playbook.js';
import { TEST_KINDS } from '../testing/playbook-builder.js';
import { type SimulatedRun, simulateRun } from '../testing/simulated-run.js';
import { withoutRenderer } from '../testing/without-renderer.js';
import { type Json, type JsonObject } from '../values.js';
import { foldEvents } from './apply.js';
import { type Stimulus } from './decision.js';
import { keptForRetry } from './kept-history.js';
import { waitOf } from './schedule.js';

const HEAD = 'apiVersion: noetl.io/v1\nmetadata: { name: i, path: i }\nworkflow:\n';
const FORM =
  'method: elicitation/create, params: { message: "For {{ workload.who }}?", requestedSchema: { type: object, required: [n], properties: { n: { type: integer } } } }';
const ROUNDS = `
  - { step: start, next: [ask] }
  - step: ask
    type: input
    requests: { count: { ${FORM} }, where: { method: roots/list } }
    on_timeout: { step: end, data: { late: "{{ error.code }}" } }
    next: [{ when: "{{ ask.count.content.n < 2 }}", step: ask }, { else: { step: end, data: { n: "{{ ask.count.content.n }}", roots: "{{ ask.where.roots | length }}" } } }]
  - { step: end }
`;
const compiled = (steps: string) => compilePlaybook(parsePlaybook(HEAD + steps).playbook!, TEST_KINDS);
const answer = (n: number): JsonObject => ({ count: { action: 'accept', content: { n } }, where: { roots: [{ uri: 'file:///a' }] } });
const signal = (payload: Json, wave?: number): Stimulus => ({
  kind: 'signal',
  name: 'ask',
  payload,
  ...(wave === undefined ? {} : { wave }),
});
/** Runs it, telling it these one after the other, each once it waits. */
const told = (steps: string, stimuli: readonly Stimulus[], parameters: JsonObject = {}): SimulatedRun => {
  const left = [...stimuli];
  return simulateRun(compiled(steps), { parameters, interrupt: (state) => (state.running.size > 0 ? (left.shift() ?? null) : null) });
};
const typesOf = ({ events }: SimulatedRun): string[] => events.map(({ type }) => type);

describe('input steps', () => {
  it('record what they ask, and take the answers as their value; a way back asks again', () => {
    const run = told(ROUNDS, [signal(answer(1), 1), signal(answer(2), 2)], { who: 'Ann' });
    expect(typesOf(run)).toEqual([
      'execution_started',
      'step_completed',
      'step_waiting',
      'signal_received',
      'step_woken',
      'step_completed',
      'step_waiting',
      'signal_received',
      'step_woken',
      'step_completed',
      'step_completed',
      'execution_completed',
    ]);
    expect(run.events[2]).toMatchObject({
      stepType: 'input',
      wave: 1,
      dueAt: null,
      waitsFor: {
        kind: 'input',
        name: 'ask',
        requests: {
          count: { method: 'elicitation/create', params: { message: 'For Ann?', requestedSchema: { type: 'object' } } },
          where: { method: 'roots/list' },
        },
      },
    });
    expect(run.events[5]).toMatchObject({ type: 'step_completed', value: answer(1) });
    expect(run.result).toEqual({ n: 2, roots: 1 });
    const playbook = compiled(ROUNDS);
    const folded = foldEvents(withoutRenderer(playbook), { who: 'Ann' }, run.events.slice(0, -1));
    expect(JSON.stringify(folded)).toBe(JSON.stringify(run.state));
  });

  it('show what they ask while they wait', () => {
    const playbook = compiled(ROUNDS);
    const run = told(ROUNDS, [signal(answer(2))], { who: 'Ann' });
    const state = foldEvents(playbook, {}, run.events.slice(0, 3));
    expect(waitOf(state, playbook, () => null, 0)).toMatchObject({
      kind: 'input',
      name: 'ask',
      until: null,
      requests: { where: { method: 'roots/list' } },
    });
  });

  it('take no answer to another round, and only the first to this one', () => {
    const run = told(ROUNDS, [signal(answer(7), 2), signal(answer(1), 1), signal(answer(8), 1), signal(answer(2), 2)]);
    expect(run.result).toEqual({ n: 2, roots: 1 });
    const paused = told(ROUNDS, [
      { kind: 'pause', reason: null },
      signal(answer(1), 1),
      signal(answer(9), 1),
      { kind: 'resume' },
      signal(answer(3), 2),
    ]);
    expect(paused.result).toEqual({ n: 3, roots: 1 });
    expect(paused.state.signals.size).toBe(0);
  });

  it('keep no answer that came before they ask', () => {
    const early = `
  - { step: start, type: wait_for, name: go, next: [ask] }
  - { step: ask, type: input, requests: { count: { ${FORM} } }, timeout: 5s, next: [end] }
  - { step: end }
`;
    const { terminal } = told(early, [signal({ count: { action: 'decline' } }), { kind: 'signal', name: 'go', payload: null }]);
    expect(terminal).toMatchObject({ type: 'execution_failed', error: { code: 'signal_timeout', step: 'ask', step_type: 'input' } });
  });

  it('are not asked again by a retry of what failed behind them', () => {
    const steps = `
  - { step: start, type: input, requests: { count: { ${FORM} } }, next: [refuse] }
  - { step: refuse, when: "{{ start.count.content.n < 5 }}", type: fail, code: too_few, message: m, next: [end] }
  - { step: end, data: { n: "{{ start.count.content.n }}" } }
`;
    const failed = told(steps, [{ kind: 'signal', name: 'start', payload: { count: { action: 'accept', content: { n: 4 } } }, wave: 1 }]);
    expect(failed.terminal).toMatchObject({ error: { code: 'too_few' } });
    const retried = simulateRun(compiled(steps), { kept: keptForRetry(failed.events) });
    expect(retried.terminal).toMatchObject({ error: { code: 'too_few' } });
    expect(typesOf(retried).filter((type) => type === 'step_waiting')).toHaveLength(1);
    expect(retried.state.signals.size).toBe(0);
  });

  it('go where on_timeout says', () =>
    expect(told(ROUNDS.replace('    on_timeout', '    timeout: 5s\n    on_timeout'), []).result).toEqual({ late: 'signal_timeout' }));

  it.each<[string, Json, string]>([
    ['no mapping', 'ask me', 'invalid_type'],
    ['nothing', {}, 'invalid_value'],
    ['a method of ours', { a: { method: 'tools/call' } }, 'invalid_value'],
    ['no method', { a: {} }, 'missing_field'],
    [
      'a schema that is none',
      { a: { method: 'elicitation/create', params: { message: 'm', requestedSchema: { type: 'object', required: 1 } } } },
      'invalid_schema',
    ],
    ['too much', { a: { method: 'sampling/createMessage', params: { messages: ['x'.repeat(70_000)], maxTokens: 1 } } }, 'result_too_large'],
  ])('fail where they render to %s', (_name, requests, code) =>
    expect(told(`  - { step: start, type: input, requests: "{{ workload.r }}" }\n`, [], { r: requests }).terminal).toMatchObject({
      error: { code, step: 'start' },
    }),
  );
});

describe('documents', () => {
  it.each([
    ['type: input', 'missing_field /workflow/0'],
    ['type: input, requests: [a]', 'invalid_type /workflow/0/requests'],
    ['type: input, requests: {}', 'invalid_value /workflow/0/requests'],
    ['type: input, requests: { "a b": { method: roots/list } }', 'invalid_value /workflow/0/requests/a b'],
    ['type: input, requests: { a: ask }', 'invalid_type /workflow/0/requests/a'],
    ['type: input, requests: { a: { method: tools/call } }', 'invalid_value /workflow/0/requests/a/method'],
    ['type: input, requests: { a: { params: {} } }', 'missing_field /workflow/0/requests/a'],
    ['type: input, requests: { a: { method: roots/list, when: now } }', 'invalid_value /workflow/0/requests/a/when'],
    ['type: input, requests: { a: { method: elicitation/create, params: { message: m } } }', 'missing_field /workflow/0/requests/a/params'],
    [
      'type: input, requests: { a: { method: elicitation/create, params: { message: 3, requestedSchema: {} } } }',
      'invalid_type /workflow/0/requests/a/params/message',
    ],
    [
      'type: input, requests: { a: { method: elicitation/create, params: { message: m, requestedSchema: { type: array } } } }',
      'invalid_schema /workflow/0/requests/a/params/requestedSchema',
    ],
    [
      'type: input, requests: { a: { method: sampling/createMessage, params: { messages: hi, maxTokens: 1 } } }',
      'invalid_type /workflow/0/requests/a/params/messages',
    ],
    [
      'type: input, requests: { a: { method: elicitation/create, params: { mode: url, message: m } } }',
      'missing_field /workflow/0/requests/a/params',
    ],
  ])('%s', (fields, error) =>
    expect(parsePlaybook(`${HEAD}  - { step: start, ${fields} }\n`).errors.map(({ code, pointer }) => `${code} ${pointer ?? ''}`)).toEqual([
      error,
    ]),
  );

  it('may have templates anywhere in what they ask', () =>
    expect(
      parsePlaybook(
        `${HEAD}  - { step: start, type: input, requests: { a: { method: "{{ workload.m }}" }, b: { method: elicitation/create, params: { message: m, requestedSchema: { type: object, properties: { x: { enum: "{{ workload.e }}" } } } } } } }\n`,
      ).errors,
    ).toEqual([]));

  it('have no signal of the name of a step that asks', () =>
    expect(() =>
      compiled(
        `  - { step: start, type: input, requests: { a: { method: roots/list } }, next: [b] }\n  - { step: b, type: wait_for, name: start }\n`,
      ),
    ).toThrow('The signal start has the name of a step that asks for input.'));
});

describe(answerIssues.name, () => {
  const schema = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } };
  const requests = {
    form: { method: 'elicitation/create', params: { message: 'm', requestedSchema: schema } },
    text: { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } },
    roots: { method: 'roots/list' },
  };
  const good = {
    form: { action: 'accept', content: { n: 1 } },
    text: { role: 'assistant', content: { type: 'text', text: 'x' } },
    roots: { roots: [] },
  };
  it.each<[Json, string[]]>([
    [good, []],
    [{ ...good, form: { action: 'decline' } }, []],
    [null, ['']],
    [[good], ['']],
    [{ ...good, more: {} }, ['/more']],
    [{ form: good.form }, ['/text', '/roots']],
    [{ ...good, form: 'yes' }, ['/form']],
    [{ ...good, form: { action: 'maybe' } }, ['/form/action']],
    [{ ...good, form: { action: 'accept' } }, ['/form/content/n']],
    [{ ...good, form: { action: 'accept', content: { n: 'one' } } }, ['/form/content/n']],
    [{ ...good, text: { role: 'assistant' } }, ['/text/content']],
    [{ ...good, roots: {} }, ['/roots/roots']],
  ])('%j', (answers, pointers) => {
    const issues = answerIssues(requests, answers);
    expect(issues.map(({ pointer }) => pointer)).toEqual(pointers);
    expect(issues.every(({ code }) => code === 'schema_violation')).toBe(true);
  });
});
