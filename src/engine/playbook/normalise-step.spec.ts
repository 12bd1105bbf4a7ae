import { type Json } from '../values.js';
import { normaliseStep, normaliseTask } from './normalise-step.js';
import { parsePlaybook } from './parse-playbook.js';

/** The only step of a document, with what was said of it. */
function stepOf(step: Json): Pick<ReturnType<typeof parsePlaybook>, 'errors' | 'warnings'> & { data: unknown } {
  const workflow = [{ step: 'start', ...(step as object) }];
  const text = JSON.stringify({ apiVersion: 'noetl.io/v1', kind: 'Playbook', metadata: { name: 'n', path: 'a/n' }, workflow });
  const { playbook, errors, warnings } = parsePlaybook(text);
  return { data: playbook?.workflow[0]?.action?.data, errors, warnings };
}
const call = { type: 'python', code: 'def main(a, b): pass' };

describe(normaliseStep.name, () => {
  it.each<[string, Json, Json]>([
    ['of the same name', { call: { ...call, with: { a: 1, b: 1 } }, with: { b: 2 } }, { a: 1, b: 2 }],
    ['of a stronger name', { call: { ...call, with: { a: 1, b: 1 } }, data: { b: 2 } }, { a: 1, b: 2 }],
    ['of a weaker name', { call: { ...call, args: { a: 1, b: 1 } }, with: { b: 2, c: 2 } }, { a: 1, b: 1, c: 2 }],
    ['below call alone', { call: { ...call, with: { a: 1 } } }, { a: 1 }],
    ['of a query', { call: { type: 'http', endpoint: 'e', params: { a: 1 } }, params: { b: 2 } }, { query: { a: 1, b: 2 } }],
  ])('merges inputs of the step and of its call: %s', (_name, step, data) => {
    expect(stepOf(step)).toEqual({ data, errors: [], warnings: [] });
  });
});

describe(`${normaliseStep.name}: fields left empty`, () => {
  const OF_STEPS = ['next', 'data', 'args', 'save', 'vars', 'when', 'pass', 'on_error', 'as', 'loop', 'end_loop'];
  const OF_ACTIONS = ['retry', 'auth', 'assert', 'timeout', 'credential', 'with'];

  it.each<[string, object, readonly string[]]>([
    ['with an action', call, [...OF_STEPS, ...OF_ACTIONS]],
    ['without one', {}, OF_STEPS],
  ])('are as if they were not there: %s', (_name, action, keys) => {
    for (const key of keys) expect([key, stepOf({ ...action, [key]: null })]).toEqual([key, stepOf(action as Json)]);
  });
});

describe(normaliseTask.name, () => {
  it('merges inputs of the task and of its call', () => {
    const workbook = [{ name: 't', with: { b: 2 }, call: { ...call, with: { a: 1, b: 1 } } }];
    const workflow = [{ step: 'start', type: 'workbook', name: 't' }];
    const { playbook } = parsePlaybook(
      JSON.stringify({ apiVersion: 'noetl.io/v1', metadata: { name: 'n', path: 'a/n' }, workbook, workflow }),
    );
    expect(playbook?.workbook[0]?.data).toEqual({ a: 1, b: 2 });
  });

  it('needs a type where run is left empty, too', () => {
    const workflow = [{ step: 'start' }];
    const { errors } = parsePlaybook(
      JSON.stringify({ metadata: { name: 'n', path: 'a/n' }, workbook: [{ name: 't', run: null }], workflow }),
    );
    expect(errors).toMatchObject([{ code: 'missing_field', pointer: '/workbook/0' }]);
  });
});
