import { parsePlaybook } from '../parse-playbook.js';
import { type Playbook } from '../playbook.js';

const STEPS = `workload: { n: 1 }
workflow:
  - { step: start, next: [a, b] }
  - { step: a, type: workflow, path: /flows/inner.yaml, version: ^1, data: { n: 2 }, next: both }
  - { step: b, type: tool, path: tools/t, next: [{ when: '{{ b.ok }}', then: both }] }
  - { step: both, join: JOIN, next: end }
  - { step: end, result: '{{ a }}' }
`;
const text = (kind: string, join: string, more = ''): string =>
  `apiVersion: noetl.io/v1\nkind: ${kind}\nmetadata: { name: f, path: flows/f }\n${more}${STEPS.replace('JOIN', join)}`;
function parsed(document: string): Playbook {
  const { playbook, errors } = parsePlaybook(document);
  if (!playbook) throw new Error(JSON.stringify(errors));
  return playbook;
}

describe('kind: Workflow', () => {
  it('is the program that a playbook of the same text is', () => {
    const { kind, ...workflow } = parsed(text('workflow', 'any'));
    const { kind: _, ...playbook } = parsed(text('Playbook', 'any'));
    expect([kind, workflow]).toEqual(['Workflow', playbook]);
    expect(workflow.workflow[1]?.action).toMatchObject({
      type: 'workflow',
      fields: { path: 'flows/inner', version: '^1' },
      data: { n: 2 },
    });
  });

  it('serves no further names, and keeps its spec for its templates', () => {
    const { contract, exposed } = parsed(text('Workflow', 'all', 'spec: { serves: [x], input_schema: { type: object } }\n'));
    expect([contract.serves, contract.inputSchema, Object.keys(exposed)]).toEqual([[], { type: 'object' }, ['spec']]);
  });
});

describe('join', () => {
  it.each<[string, number | undefined]>([
    ['all', undefined],
    ['null', undefined],
    ['any', 1],
    ['1', 1],
    ['2', 2],
  ])('%s is kept as a number, and left out where it is the rule', (join, kept) => {
    const both = parsed(text('Workflow', join)).workflow[3]!;
    expect([Object.hasOwn(both, 'join'), both.join]).toEqual([kept !== undefined, kept]);
  });

  it.each(['0', '-1', '3', '1.5', '"2"', '"{{ workload.n }}"', 'some', 'true', '[1]', '{}'])('%s is refused', (join) => {
    expect(parsePlaybook(text('Workflow', join)).errors).toMatchObject([{ code: 'invalid_join', pointer: '/workflow/3/join' }]);
  });

  it('counts every edge, also of on_error', () => {
    const failing = text('Workflow', '3').replace('type: tool,', 'type: tool, on_error: both,');
    expect(parsed(failing).workflow[3]?.join).toBe(3);
  });

  it('is refused where the run begins, and does nothing on a task', () => {
    expect(parsePlaybook(text('Workflow', 'all').replace('step: start,', 'step: start, join: all,')).errors).toMatchObject([
      { code: 'invalid_join', pointer: '/workflow/0/join' },
    ]);
    const task = 'workbook: [{ name: t, type: python, code: x, join: any }]\n';
    expect(parsePlaybook(text('Workflow', 'all', task)).warnings).toMatchObject([{ code: 'unknown_field', pointer: '/workbook/0/join' }]);
  });
});
