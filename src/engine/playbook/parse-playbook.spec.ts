import { type Json } from '../values.js';
import { parsePlaybook } from './parse-playbook.js';
import { type Playbook, type Step } from './playbook.js';

const HEAD = 'apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: {name: n, path: a/n}\n';
const PYTHON = "type: python, code: 'def main(): pass'";

/** A document whose steps are given as flow mappings, one per line; the first is on line 5. */
const withSteps = (...steps: string[]): string => `${HEAD}workflow:\n${steps.map((step) => `  - {${step}}`).join('\n')}\n`;

function parsed(text: string): Playbook {
  const { playbook, errors } = parsePlaybook(text);
  if (!playbook) throw new Error(JSON.stringify(errors));
  return playbook;
}

const first = (step: string): Step => parsed(withSteps(step)).workflow[0]!;
const errorsOf = (text: string): [string, string | undefined][] => parsePlaybook(text).errors.map(({ code, pointer }) => [code, pointer]);
const warningsOf = (text: string): [string, string | undefined][] =>
  parsePlaybook(text).warnings.map(({ code, pointer }) => [code, pointer]);

describe('parsePlaybook: errors', () => {
  it.each([
    ['no workflow', HEAD, 'missing_workflow', '/workflow'],
    ['an empty workflow', `${HEAD}workflow: []`, 'missing_workflow', '/workflow'],
    ['two steps of one name', withSteps('step: start', 'step: start'), 'duplicate_step', '/workflow/1'],
    ['a name that is no identifier', withSteps('step: 1st'), 'invalid_step_name', '/workflow/0/step'],
    ['a step without a name', withSteps(PYTHON), 'missing_field', '/workflow/0'],
    ['an unknown target', withSteps('step: start, next: [ende]', 'step: end'), 'unknown_step', '/workflow/0/next/0'],
    [
      'an unknown target in then',
      withSteps('step: start, next: [{when: x, then: [{step: nope}]}]'),
      'unknown_step',
      '/workflow/0/next/0/then/0/step',
    ],
    ['an unknown target in else', withSteps('step: start, next: [{else: nope}]'), 'unknown_step', '/workflow/0/next/0/else'],
    ['an unknown target in on_error', withSteps(`step: start, ${PYTHON}, on_error: nope`), 'unknown_step', '/workflow/0/on_error'],
    [
      'next with a list item without a blank',
      `${HEAD}workflow:\n  - step: start\n    next:\n      -step: end\n  - step: end`,
      'invalid_next',
      '/workflow/0/next/-step',
    ],
    ['next with a number', withSteps('step: start, next: 5'), 'invalid_next', '/workflow/0/next'],
    ['next with step and then', withSteps('step: start, next: [{step: start, then: [start]}]'), 'invalid_next', '/workflow/0/next/0'],
    ['when without a target', withSteps('step: start, next: [{when: x}]'), 'invalid_next', '/workflow/0/next/0'],
    ['end with next', withSteps('step: start', 'step: end, next: start'), 'end_with_next', '/workflow/1/next'],
    ['an unknown type', withSteps('step: start, type: pyton, code: x'), 'unknown_type', '/workflow/0/type'],
    ['a tool mapping of v2', withSteps('step: start, tool: {kind: http}'), 'unsupported_construct', '/workflow/0/tool'],
    ['python without code', withSteps('step: start, type: python'), 'missing_field', '/workflow/0'],
    ['http without endpoint', withSteps('step: start, type: http'), 'missing_field', '/workflow/0'],
    ['postgres without command', withSteps('step: start, type: postgres, auth: x'), 'missing_field', '/workflow/0'],
    ['playbook without path', withSteps('step: start, type: playbook'), 'missing_field', '/workflow/0'],
    [
      'iterator without element',
      withSteps(`step: start, type: iterator, collection: [1], task: {${PYTHON}}`),
      'missing_field',
      '/workflow/0',
    ],
    [
      'iterator without collection',
      withSteps(`step: start, type: iterator, element: x, task: {${PYTHON}}`),
      'missing_field',
      '/workflow/0',
    ],
    ['iterator without task', withSteps('step: start, type: iterator, element: x, collection: [1]'), 'missing_field', '/workflow/0'],
    [
      'a task without type',
      withSteps('step: start, type: iterator, element: x, collection: [1], task: {code: x}'),
      'missing_field',
      '/workflow/0/task',
    ],
    ['an unknown workbook task', withSteps('step: start, type: workbook, name: nope'), 'unknown_task', '/workflow/0'],
    [
      'a workbook task of type workbook',
      `${withSteps('step: start')}workbook: [{name: a, type: workbook, task: a}]`,
      'invalid_value',
      '/workbook/0/type',
    ],
    [
      'two tasks of one name',
      `${withSteps('step: start')}workbook: [{name: a, ${PYTHON}}, {name: a, ${PYTHON}}]`,
      'duplicate_task',
      '/workbook/1',
    ],
    ['end_loop', withSteps('step: start, end_loop: x'), 'unsupported_construct', '/workflow/0/end_loop'],
    ['run', `${withSteps('step: start')}workbook: [{name: a, run: [x]}]`, 'unsupported_construct', '/workbook/0/run'],
    ['loop without an action', withSteps('step: start, loop: {in: [1], iterator: x}'), 'unsupported_construct', '/workflow/0/loop'],
    ['a bad method', withSteps('step: start, type: http, url: x, method: FETCH'), 'invalid_value', '/workflow/0/method'],
    ['a bad timeout', withSteps(`step: start, ${PYTHON}, timeout: soon`), 'invalid_value', '/workflow/0/timeout'],
    ['a bad retry', withSteps(`step: start, ${PYTHON}, retry: often`), 'invalid_retry', '/workflow/0/retry'],
    [
      'a bad number of attempts',
      withSteps(`step: start, ${PYTHON}, retry: {max_attempts: 0}`),
      'invalid_retry',
      '/workflow/0/retry/max_attempts',
    ],
    ['data that is no mapping', withSteps(`step: start, ${PYTHON}, data: 5`), 'invalid_type', '/workflow/0/data'],
    ['base64 that is none', withSteps('step: start, type: python, code_b64: "%%"'), 'invalid_value', '/workflow/0/code_b64'],
    ['an unknown storage', withSteps('step: start, save: {storage: paper}'), 'invalid_value', '/workflow/0/save/storage'],
    [
      'upsert without key',
      withSteps('step: start, save: {storage: postgres, table: t, mode: upsert}'),
      'missing_field',
      '/workflow/0/save',
    ],
    ['a bad path', 'apiVersion: noetl.io/v1\nmetadata: {path: a//b}\nworkflow: [{step: start}]', 'invalid_path', '/metadata/path'],
    ['neither name nor path', 'apiVersion: noetl.io/v1\nworkflow: [{step: start}]', 'missing_field', '/metadata'],
    ['a list', '[1]', 'invalid_type', ''],
    ['an empty text', '', 'invalid_type', ''],
    ['another language version', 'apiVersion: noetl.io/v2\nworkflow: []', 'unsupported_api_version', '/apiVersion'],
    ['another kind', 'apiVersion: noetl.io/v1\nkind: Potion', 'unsupported_kind', '/kind'],
    ['1,001 steps', withSteps(...Array.from({ length: 1_001 }, (_, index) => `step: s${index}`)), 'too_many_steps', '/workflow'],
  ])('%s', (_name, text, code, pointer) => expect(errorsOf(text)).toEqual([[code, pointer]]));

  it('says what to do, and where', () => {
    const { errors } = parsePlaybook(withSteps('step: start, next: midle', 'step: middle, type: htpp, url: x'));
    expect(errors).toEqual([
      {
        code: 'unknown_type',
        message: 'There is no step type "htpp"; did you mean "http"?',
        pointer: '/workflow/1/type',
        line: 6,
        column: 20,
      },
      {
        code: 'unknown_step',
        message: 'There is no step "midle"; did you mean "middle"?',
        pointer: '/workflow/0/next',
        line: 5,
        column: 19,
      },
    ]);
  });

  it('knows a type where a task was meant to be named', () => {
    const { errors } = parsePlaybook(withSteps('step: start, task: python, code: "result = 1"'));
    expect(errors).toMatchObject([{ code: 'unknown_task', message: 'There is no workbook task "python"; did you mean "type: python"?' }]);
  });

  it('finds a broken template on its line of the document', () => {
    const { errors } = parsePlaybook(
      `${HEAD}workflow:\n  - step: start\n    type: postgres\n    command: |\n      SELECT 1;\n      SELECT {{ 1 + }};\n`,
    );
    expect(errors).toMatchObject([{ code: 'template_syntax', pointer: '/workflow/0/command', line: 9 }]);
  });

  it('looks into SQL in base64', () => {
    const sql = Buffer.from('SELECT {{ 1 + }}').toString('base64');
    expect(errorsOf(withSteps(`step: start, type: postgres, command_b64: ${sql}`))).toEqual([
      ['template_syntax', '/workflow/0/command_b64'],
    ]);
  });

  it('leaves code and descriptions alone', () => {
    expect(errorsOf(withSteps(`step: start, desc: "{{ +", type: python, code: "f'{{{x}}}'"`))).toEqual([]);
    expect(errorsOf(withSteps(`step: start, ${PYTHON}, data: {code: "{{ +"}`))).toEqual([['template_syntax', '/workflow/0/data/code']]);
    expect(errorsOf(`${withSteps('step: start')}workload: {a: ["{{ + }}"]}`)).toEqual([['template_syntax', '/workload/a/0']]);
  });

  it.each([
    ['a: [', 'unreadable', 'malformed_yaml'],
    ['['.repeat(1_000_000), 'too_large', 'document_too_large'],
    ['a: 1\na: 2', 'invalid', 'invalid_document'],
    ['apiVersion: x', 'invalid', 'unsupported_api_version'],
    ['kind: Potion', 'invalid', 'unsupported_kind'],
    ['workflow: 1', 'invalid', 'invalid_document'],
  ])('fatal of %#: %s', (text, kind, code) => expect(parsePlaybook(text).fatal).toMatchObject({ kind, code }));

  it('carries the kind', () => {
    expect(parsePlaybook('kind: Potion').kind).toBe('Potion');
    expect(parsePlaybook('kind: tool').kind).toBe('Tool');
    expect(parsePlaybook('a: 1').kind).toBe('Playbook');
  });
});

describe('parsePlaybook: warnings', () => {
  it.each([
    ['no apiVersion', 'metadata: {name: n}\nworkflow: [{step: start}]', 'missing_api_version', ''],
    ['an unknown key of the document', `${withSteps('step: start')}extra: 1`, 'unknown_field', '/extra'],
    ['an unknown key of a step', withSteps(`step: start, ${PYTHON}, colour: red`), 'unknown_field', '/workflow/0/colour'],
    ['an unreachable step', withSteps('step: start', 'step: lost'), 'unreachable_step', '/workflow/1'],
    ['a type without an executor', withSteps('step: start, type: snowflake, sql: x'), 'unsupported_type', '/workflow/0'],
    ['a storage without an adapter', withSteps('step: start, save: {storage: s3}'), 'unsupported_storage', '/workflow/0/save/storage'],
  ])('%s', (_name, text, code, pointer) => {
    expect(warningsOf(text)).toEqual([[code, pointer]]);
    const strict = parsePlaybook(text, { strict: true });
    expect(strict).toMatchObject({ playbook: null, warnings: [], errors: [{ code, pointer }] });
  });

  it('does not warn about cycles, an end nobody names, or known extras', () => {
    expect(warningsOf(`${withSteps('step: start, next: a', 'step: a, next: start', 'step: end')}spec: {x: 1}\nlabels: {}\n`)).toEqual([]);
  });
});

describe('parsePlaybook: the canonical form', () => {
  it.each([
    ['a number keeps its text', 'version: 0.10', '0.10'],
    ['a quoted version', 'version: "1.2.0"', '1.2.0'],
    ['none', 'labels: {}', null],
  ])('version: %s', (_name, line, version) => {
    expect(parsed(`apiVersion: noetl.io/v1\nmetadata:\n  name: n\n  ${line}\nworkflow: [{step: start}]`).metadata.version).toBe(version);
  });

  it('takes path and name from each other', () => {
    expect(parsed('path: /a/b.yaml\nworkflow: [{step: s}]').metadata).toMatchObject({ name: 'b', path: 'a/b' });
    expect(parsed('name: x\nworkflow: [{step: s}]').metadata).toMatchObject({ name: 'x', path: 'x' });
  });

  it.each([
    ['start and end by name', ['step: b', 'step: start, next: b', 'step: end'], ['inner', 'entry', 'terminal']],
    ['by type', ['step: a', 'step: b, type: start, next: a', 'step: c, type: end'], ['inner', 'entry', 'terminal']],
    ['the first step', ['step: a', 'step: b'], ['entry', 'inner']],
  ])('roles: %s', (_name, steps, roles) => expect(parsed(withSteps(...steps)).workflow.map(({ role }) => role)).toEqual(roles));

  it.each<[string, string, Json]>([
    [
      'weakest to strongest',
      'data: {a: 5}, input: {a: 4, b: 4}, params: {b: 3, c: 3}, args: {c: 2, d: 2}, with: {d: 1, e: 1}',
      { a: 5, b: 4, c: 3, d: 2, e: 1 },
    ],
    ['one lone template', 'args: "{{ x }}"', '{{ x }}'],
    ['nothing', 'desc: x', {}],
  ])('inputs: %s', (_name, keys, data) => expect(first(`step: start, ${PYTHON}, ${keys}`).action?.data).toEqual(data));

  it('http: query and body in their explicit places, data wins', () => {
    const action = first(
      'step: start, tool: http, url: u, verify_ssl: false, method: post, params: {a: 1, b: 1}, payload: {c: 1}, data: {query: {b: 2}, d: 3}',
    ).action;
    expect(action).toMatchObject({
      fields: { endpoint: 'u', verify: false, method: 'POST' },
      data: { query: { a: 1, b: 2 }, body: { c: 1 }, d: 3 },
    });
  });

  it.each(['command', 'commands', 'sql', 'script', 'query', 'statement'])('SQL text under %s', (key) => {
    expect(first(`step: start, type: duckdb, ${key}: SELECT 1`).action?.fields).toEqual({ command: 'SELECT 1' });
  });

  it('reads a list of params as the bind values of SQL', () => {
    expect(first('step: start, type: postgres, sql: SELECT 1, params: [1]').action).toMatchObject({
      data: {},
      fields: { parameters: [1] },
    });
  });

  it('decodes base64', () => {
    expect(first('step: start, type: postgres, command_b64: U0VMRUNUIDE=').action?.fields).toEqual({ command: 'SELECT 1' });
    expect(first('step: start, type: python, code_b64: cGFzcw==').action?.fields).toEqual({ code: 'pass' });
  });

  it.each([
    ['name beside step', 'step: s, type: workbook, name: t'],
    ['task', 'step: s, type: workbook, task: t'],
    ['name is the step, task the task', 'name: s, type: workbook, task: t'],
    ['call', 'step: s, call: {type: workbook, name: t}'],
    ['task without a type', 'step: s, task: t'],
  ])('workbook reference: %s', (_name, step) => {
    const playbook = parsed(`${withSteps(step)}workbook: [{name: t, ${PYTHON}}]`);
    expect(playbook.workflow[0]).toMatchObject({ name: 's', action: { type: 'workbook', fields: { name: 't' } } });
  });

  it.each<[string, string, object]>([
    [
      'type: loop',
      `type: loop, in: [1], iterator: x, task: {${PYTHON}}`,
      { fields: { collection: [1], element: 'x', mode: 'sequential', spelling: 'iterator' }, tasks: [{ type: 'python' }] },
    ],
    [
      'loop over a workbook task',
      'type: loop, mode: workbook, in: [1], iterator: x, task: t, with: {a: 1}',
      { tasks: [{ type: 'workbook', fields: { name: 't' }, data: { a: 1 } }] },
    ],
    [
      'loop over playbooks',
      'type: loop, mode: playbooks, in: [1], iterator: x, catalog_path: a, parallel: true',
      { fields: { mode: 'async' }, tasks: [{ type: 'playbooks', fields: { catalog_path: 'a' } }] },
    ],
    ['playbooks with a path', 'type: playbooks, path: /a/b.yaml', { type: 'playbook', fields: { path: 'a/b' } }],
    ['playbooks with a prefix', 'type: playbooks, catalog_path: a', { type: 'playbooks', fields: { catalog_path: 'a' } }],
    [
      'iterator options',
      `type: iterator, data: [1], element: x, mode: parallel, filter: x, chunk: 2, on_error: continue, task: [{${PYTHON}}, {${PYTHON}}]`,
      {
        fields: { collection: [1], mode: 'async', where: 'x', chunk: 2, on_error: 'continue' },
        tasks: [{ type: 'python' }, { type: 'python' }],
      },
    ],
  ])('%s', (_name, step, action) => {
    expect(parsed(`${withSteps(`step: start, ${step}`)}workbook: [{name: t, ${PYTHON}}]`).workflow[0]?.action).toMatchObject(action);
  });

  it.each<[string, string, object | null]>([
    ['true', 'retry: true', { maxAttempts: 3, initialDelay: 1, backoffMultiplier: 2, maxDelay: 60, jitter: true }],
    ['a number', 'retry: 5', { maxAttempts: 5 }],
    ['false', 'retry: false', null],
    ['0', 'retry: 0', null],
    ['with retry_delay', 'retry: 4, retry_delay: 7', { maxAttempts: 4, initialDelay: 7, maxDelay: 7, backoffMultiplier: 1, jitter: false }],
    [
      'full',
      'retry: {max_attempts: 2, initial_delay: 500ms, jitter: false, retry_when: x, stop_when: y, retry_on: timeout}',
      { maxAttempts: 2, initialDelay: 0.5, jitter: false, retryWhen: 'x', stopWhen: 'y', retryOn: ['timeout'] },
    ],
    [
      'unified',
      'retry: {on_error: {when: x, max_attempts: 2}, on_success: {while: y}}',
      { maxAttempts: 2, retryWhen: 'x', onlyErrors: true, onSuccess: { while: 'y' } },
    ],
    [
      'unified, with a condition for all outcomes',
      'retry: {retry_when: x, on_error: {max_attempts: 2}}',
      { maxAttempts: 2, retryWhen: 'x' },
    ],
    ['paging only', 'retry: {on_success: {while: y}}', { maxAttempts: 1, onSuccess: { while: 'y' } }],
  ])('retry: %s', (_name, retry, expected) => {
    const action = first(`step: start, ${PYTHON}, ${retry}`).action;
    if (expected === null) expect(action?.retry).toBeNull();
    else expect(action?.retry).toMatchObject(expected);
  });

  it.each<[string, string, object]>([
    [
      'flat',
      'save: {storage: postgres, table: t, auth: a, data: {x: 1}}',
      { storage: 'postgres', auth: 'a', data: { x: 1 }, fields: { table: 't' } },
    ],
    [
      'nested, which wins',
      'save: {storage: {kind: postgres, table: t, credential: a}, table: u, args: {x: 1}}',
      { storage: 'postgres', auth: 'a', data: { x: 1 }, fields: { table: 't' } },
    ],
    ['sink', 'sink: {tool: postgres, table: t, mode: insert}', { storage: 'postgres', fields: { table: 't', mode: 'append' } }],
    ['event', 'save: {storage: event, on: always}', { storage: 'event_log', on: 'always' }],
    ['a variable', 'save: {name: x, data: 1}', { storage: 'variables', name: 'x', data: 1 }],
    [
      'params of a statement',
      'save: {storage: postgres, statement: s, params: {a: 1}}',
      { data: null, fields: { statement: 's', params: { a: 1 } } },
    ],
    ['on stays a key', 'save: {on: error, on_error: continue}', { on: 'error', onError: 'continue' }],
  ])('save: %s', (_name, save, expected) => {
    expect(first(`step: start, ${save}`).save).toMatchObject([expected]);
    expect(first(`step: start, ${PYTHON}, ${save}`).action?.save).toMatchObject([expected]);
  });

  it.each([
    ['at step level', 'storage: postgres, table: t, auth: a, data: {x: 1}'],
    ['below save', 'save: {storage: postgres, table: t, auth: a, data: {x: 1}}'],
    ['auth at the step', 'auth: a, save: {storage: postgres, table: t, data: {x: 1}}'],
  ])('a save step, %s', (_name, keys) => {
    expect(first(`step: start, type: save, ${keys}`).action).toMatchObject({
      type: 'save',
      fields: {},
      data: {},
      save: [{ storage: 'postgres', auth: 'a', data: { x: 1 }, fields: { table: 't' } }],
    });
  });

  it('edges: every form of next', () => {
    const steps = [
      'step: start, next: [a, {step: b, args: {x: 1}}, {when: c, step: a}, {when: d, then: a, else: [b]}, {else: {step: a}}, {then: [b]}, {when: , step: b}]',
      'step: a',
      'step: b',
    ];
    const to = (step: string, data: Json = {}): object => ({ step, data });
    expect(parsed(withSteps(...steps)).workflow[0]?.next).toEqual([
      { kind: 'plain', then: [to('a')] },
      { kind: 'plain', then: [to('b', { x: 1 })] },
      { kind: 'when', when: 'c', then: [to('a')], else: [] },
      { kind: 'when', when: 'd', then: [to('a')], else: [to('b')] },
      { kind: 'else', then: [to('a')] },
      { kind: 'plain', then: [to('b')] },
      { kind: 'plain', then: [to('b')] },
    ]);
  });

  it.each<[string, string, object]>([
    ['continue', 'on_error: continue', { kind: 'continue' }],
    ['a step with data', 'on_error: {step: start, data: {a: 1}}', { kind: 'goto', target: { step: 'start', data: { a: 1 } } }],
  ])('on_error: %s', (_name, key, onError) => expect(first(`step: start, ${PYTHON}, ${key}`).onError).toEqual(onError));

  it('assert, auth and timeout', () => {
    const action = first(
      `step: start, ${PYTHON}, timeout: 5m, credentials: {pg: {key: c}}, assert: {expects: [a.b, {c: string}], mode: warn}`,
    ).action;
    expect(action).toMatchObject({
      timeout: '5m',
      auth: { pg: { key: 'c' } },
      assert: {
        expects: [
          { path: 'a.b', type: null },
          { path: 'c', type: 'string' },
        ],
        returns: [],
        mode: 'warn',
      },
    });
  });

  it('tells where the parts of the canonical form come from', () => {
    const { originOf, locate } = parsePlaybook(`${HEAD}steps:\n  - {step: start}\n  - {step: b}\nworkbook:\n  - {name: t, ${PYTHON}}\n`);
    expect([originOf({ step: 'b' }), originOf({ task: 't' })]).toEqual(['/steps/1', '/workbook/0']);
    expect(locate('/steps/1/step')).toEqual({ line: 6, column: 6 });
  });
});
