import { checkNested } from './check-nested.js';
import { parsePlaybook } from './parse-playbook.js';

const parsed = (start: string, workbook = '[]') =>
  parsePlaybook(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: n, path: p/n }
workbook: ${workbook}
workflow:
  - step: start
    next: end
    ${start}
  - step: end
`);
const over = (task: string): string => `{ type: iterator, collection: [1], element: i, task: ${task} }`;

describe(checkNested.name, () => {
  const inner = '{ type: iterator, collection: [1], element: j, task: { type: python, code: "result = 1" }';
  it.each([
    ['an iterator with attempts', `${inner}, retry: 2 }`, 'retry'],
    ['an iterator with a time-out', `${inner}, timeout: 5 }`, 'timeout'],
    ['a call with both', '{ type: playbook, path: a/b, retry: 2, timeout: 5 }', 'retry and timeout'],
    ['calls below a path', '{ type: playbooks, catalog_path: a, timeout: 5 }', 'timeout'],
    ['a call of the workbook', '{ type: workbook, name: called }', 'retry'],
    ['a call with attempts where the task has none', '{ type: workbook, name: plain, retry: 3 }', 'retry'],
    ['one deeper', over('{ type: playbook, path: a/b, timeout: 1 }'), 'timeout'],
  ])('refuses %s inside an iterator', (_name, task, what) => {
    const workbook = '[{ name: called, type: playbook, path: a/b, retry: 2 }, { name: plain, type: playbook, path: a/b }]';
    const { errors } = parsed(`type: iterator\n    collection: [1]\n    element: i\n    task: ${task}`, workbook);
    expect(errors).toMatchObject([{ code: 'unsupported_construct', pointer: '/workflow/0' }]);
    expect(errors[0]?.message).toContain(`${what} of the`);
  });

  it.each([
    ['a wait', over('{ type: wait, duration: 1 }'), 'wait'],
    ['a signal', over('{ type: wait_for, signal: go }'), 'wait_for'],
    ['input', over('{ type: input, requests: { a: { method: roots/list } } }'), 'input'],
    ['a wait of the workbook', over('{ type: workbook, name: rest }'), 'wait'],
    ['a wait among other tasks', over('[{ type: python, code: "result = 1" }, { type: wait, duration: 1 }]'), 'wait'],
    ['a wait one deeper', over(over('{ type: wait, duration: 1 }')), 'wait'],
    ['a wait that loops', '{ type: wait, duration: 1, loop: { collection: [1], element: i } }', 'wait'],
  ])('refuses %s inside an iterator', (_name, step, type) => {
    const { errors } = parsePlaybook(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: n, path: p/n }
workbook: [{ name: rest, type: wait, duration: 1 }]
workflow:
  - { step: start, next: end, ${step.slice(1)}
  - step: end
`);
    expect(errors).toMatchObject([{ code: 'unsupported_construct', pointer: '/workflow/0' }]);
    expect(errors[0]?.message).toContain(`of type ${type};`);
  });

  it('refuses a repeated call by loop: whose attempts are its own', () => {
    const { errors } = parsed('type: playbook\n    path: a/b\n    retry: 2\n    loop: { collection: [1], element: i }');
    expect(errors).toMatchObject([{ code: 'unsupported_construct' }]);
  });

  it.each([
    ['of an action', '{ type: python, code: "result = 1", retry: 2, timeout: 5 }', ''],
    ['of the step itself', '{ type: playbook, path: a/b }', '\n    retry: 2\n    timeout: 5'],
  ])('leaves those %s', (_name, task, more) => {
    expect(parsed(`type: iterator\n    collection: [1]\n    element: i\n    task: ${task}${more}`).errors).toEqual([]);
  });
});
