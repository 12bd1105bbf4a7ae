import { compilePlaybook } from '../playbook/compile.js';
import { parsePlaybook } from '../playbook/parse-playbook.js';
import { TEST_KINDS } from '../testing/playbook-builder.js';
import { type SimulatedRun, simulateRun } from '../testing/simulated-run.js';
import { type Json, type JsonObject } from '../values.js';
import { foldEvents } from './apply.js';
import { type RunEvent } from './events.js';
import { progressOf } from './progress.js';

const HEAD = 'apiVersion: noetl.io/v1\nmetadata: { name: r, path: r }\nworkflow:\n';
const errorsOf = (steps: string): string[] => parsePlaybook(HEAD + steps).errors.map(({ code, pointer }) => `${code} ${pointer ?? ''}`);
const run = (steps: string, parameters: JsonObject = {}): SimulatedRun =>
  simulateRun(compilePlaybook(parsePlaybook(HEAD + steps).playbook!, TEST_KINDS), { parameters });
const eventsOf = <T extends RunEvent['type']>({ events }: SimulatedRun, type: T): Extract<RunEvent, { type: T }>[] =>
  events.filter((event): event is Extract<RunEvent, { type: T }> => event.type === type);

describe('progress steps', () => {
  it('are recorded before they end, and pass their inputs on', () => {
    const said = run(`
  - { step: start, next: [{ step: half, data: { done: 5 } }] }
  - { step: half, type: progress, progress: "{{ done }}", total: "10", message: "{{ done }} of ten", next: [{ step: end, data: { got: "{{ half.done }}" } }] }
  - { step: end }
`);
    expect(said.events.map(({ type }) => type)).toEqual([
      'execution_started',
      'step_completed',
      'step_progress',
      'step_completed',
      'step_completed',
      'execution_completed',
    ]);
    expect(said.events[2]).toEqual({
      type: 'step_progress',
      step: 'half',
      stepType: 'progress',
      wave: 1,
      attempt: 1,
      progress: 5,
      total: 10,
      message: '5 of ten',
    });
    expect(said.result).toEqual({ got: 5 });
  });

  it.each<[string, Json, Json]>([
    ['below zero', -1, 10],
    ['beyond the end', 11, 10],
    ['no number', 'soon', 10],
    ['a list', [1], 10],
    ['an end of nothing', 0, 0],
    ['no end', 1, 'later'],
    ['nothing at all', null, 10],
  ])('fail with invalid_value: %s', (_name, progress, total) => {
    const { terminal, events } = run(`  - { step: start, type: progress, progress: "{{ workload.p }}", total: "{{ workload.t }}" }\n`, {
      p: progress,
      t: total,
    });
    expect(terminal).toMatchObject({ type: 'execution_failed', error: { code: 'invalid_value', step: 'start', retryable: false } });
    expect(events.map(({ type }) => type)).not.toContain('step_progress');
  });

  it('without an end say how much, and no percentage', () => {
    const said = run(`  - { step: start, type: progress, progress: 2.5 }\n`);
    expect(eventsOf(said, 'step_progress')).toMatchObject([{ progress: 2.5, total: null, message: null }]);
    expect(said.state.reportedPercent).toBeNull();
  });

  it('count as the progress of the execution where they name more than its steps do', () => {
    const { playbook } = parsePlaybook(`${HEAD}
  - { step: start, type: progress, progress: 9, total: 10, next: [a] }
  - { step: a, type: python, code: x, next: [b] }
  - { step: b, next: [c] }
  - { step: c, next: [d] }
  - { step: d }
`);
    const compiled = compilePlaybook(playbook!, new Map([['python', TEST_KINDS.get('act')!]]));
    const { events } = simulateRun(compiled);
    const percent = (count: number): number => progressOf(foldEvents(compiled, {}, events.slice(0, count)), compiled);
    expect([1, 2, 3].map(percent)).toEqual([0, 90, 90]);
  });
});

describe('log steps', () => {
  it('keep level, logger, message and any data; their inputs go on', () => {
    const said = run(
      `
  - { step: start, next: [{ step: note, data: { a: 1 } }] }
  - { step: note, type: log, level: WARNING, logger: billing, message: "a is {{ a }}", data: ["{{ a }}", { b: "{{ workload.b }}" }], next: [{ step: brief, data: "{{ note }}" }] }
  - { step: brief, type: log, message: "{{ workload.b }}" }
  - { step: end }
`,
      { b: true },
    );
    const place = { wave: 1, attempt: 1, stepType: 'log', type: 'step_log' };
    expect(eventsOf(said, 'step_log')).toEqual([
      { ...place, step: 'note', level: 'warning', logger: 'billing', message: 'a is 1', data: [1, { b: true }] },
      { ...place, step: 'brief', level: 'info', logger: null, message: 'true' },
    ]);
    expect(said.result).toEqual({ a: 1 });
  });

  it('fail for a level that is none, and never for being long', () => {
    expect(run(`  - { step: start, type: log, level: "{{ workload.l }}", message: x }\n`, { l: 'loud' }).terminal).toMatchObject({
      error: { code: 'invalid_value', message: expect.stringContaining('debug, info, notice') as string },
    });
    const long = run(`  - { step: start, type: log, message: "{{ workload.m }}", data: "{{ workload.m }}" }\n`, { m: 'x'.repeat(100_000) });
    const [event] = eventsOf(long, 'step_log');
    expect([event!.message!.length, (event!.data as string).length]).toEqual([8_193, 65_537]);
    expect(eventsOf(long, 'step_completed')[0]!.warnings).toEqual(['data is longer than 65536 characters and was cut']);
  });
});

describe('fail steps', () => {
  it('end the execution with the code and the details of the author', () => {
    const { terminal, events } = run(
      `  - { step: start, type: fail, code: "{{ workload.code }}", message: "no {{ workload.what }}", details: { what: "{{ workload.what }}" } }\n`,
      { code: 'out_of_stock', what: 'bread' },
    );
    expect(terminal).toEqual({
      type: 'execution_failed',
      others: [],
      error: {
        code: 'out_of_stock',
        message: 'no bread',
        step: 'start',
        step_type: 'fail',
        attempt: 1,
        retryable: false,
        item_index: null,
        cause: { what: 'bread' },
      },
    });
    expect(events.map(({ type }) => type)).toEqual(['execution_started', 'step_failed', 'execution_failed']);
  });

  it('are step_error where they name no code, and go where on_error says, also with a code of ours', () => {
    expect(run(`  - { step: start, type: fail, message: "{{ workload.nothing }}" }\n`).terminal).toMatchObject({
      error: { code: 'step_error', message: 'The step start failed.' },
    });
    const handled = run(`
  - { step: start, type: fail, code: loop_limit, message: enough, on_error: { step: end, data: { saw: "{{ error.code }}" } } }
  - { step: end }
`);
    expect(handled.result).toEqual({ saw: 'loop_limit' });
  });

  it.each(['a code', '', 'ümlaut', '1st', 'x'.repeat(65)])('say so where a rendered code is none: %j', (code) =>
    expect(run(`  - { step: start, type: fail, message: m, code: "{{ workload.code }}" }\n`, { code }).terminal).toMatchObject({
      error: { code: code === '' ? 'step_error' : 'invalid_value' },
    }),
  );

  it('leave out details that are too long, with a warning', () => {
    const { events, terminal } = run(`  - { step: start, type: fail, message: m, code: c, details: "{{ workload.d }}" }\n`, {
      d: 'x'.repeat(20_000),
    });
    expect(terminal).toMatchObject({ error: { code: 'c', cause: null } });
    expect(events[1]).toMatchObject({ type: 'step_failed', warnings: ['details are longer than 16384 characters and were left out'] });
  });

  it('run saves of errors', () => {
    const { events } = run(`
  - { step: start, type: fail, message: m, code: c, save: { name: why, on: error, data: "{{ error.code }}" }, on_error: end }
  - { step: end, data: { why: "{{ why }}" } }
`);
    expect(events.map(({ type }) => type)).toEqual([
      'execution_started',
      'step_started',
      'step_failed',
      'step_completed',
      'execution_completed',
    ]);
    expect(events[2]).toMatchObject({ saves: [{ name: 'why', data: 'c', status: 'success' }] });
  });
});

describe('documents', () => {
  it.each([
    ['type: progress', 'missing_field /workflow/0'],
    ['type: progress, progress: 3, total: 2', 'invalid_value /workflow/0/total'],
    ['type: progress, progress: -1', 'invalid_value /workflow/0/progress'],
    ['type: progress, progress: [1]', 'invalid_value /workflow/0/progress'],
    ['type: progress, progress: true', 'invalid_value /workflow/0/progress'],
    ['type: progress, progress: 1, total: later', 'invalid_value /workflow/0/total'],
    ['type: log', 'missing_field /workflow/0'],
    ['type: log, message: x, level: loud', 'invalid_value /workflow/0/level'],
    ['type: log, message: [x]', 'invalid_type /workflow/0/message'],
    ['type: fail', 'missing_field /workflow/0'],
    ['type: fail, message: m, code: a code', 'invalid_value /workflow/0/code'],
    ['type: fail, message: m, code: 7', 'invalid_value /workflow/0/code'],
  ])('%s', (fields, error) => expect(errorsOf(`  - { step: start, ${fields} }\n`)).toEqual([error]));
});
