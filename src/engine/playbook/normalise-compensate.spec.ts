import { readFileSync } from 'node:fs';
import { EngineError } from '../engine-error.js';
import { TEST_KINDS } from '../testing/playbook-builder.js';
import { compilePlaybook } from './compile.js';
import { normaliseCompensate } from './normalise-compensate.js';
import { parsePlaybook } from './parse-playbook.js';

const document = (steps: string, more = ''): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: saga, path: sagas/one }
${more}workflow:
${steps}  - step: end
`;
const step = (compensate: string, type = '{ type: act }'): string => `  - step: a\n    call: ${type}\n    compensate: ${compensate}\n`;
const parsed = (text: string) => {
  const { playbook, errors, warnings } = parsePlaybook(text);
  return { playbook, found: [...errors, ...warnings].map(({ code, pointer }) => `${code} ${pointer ?? ''}`) };
};

describe(normaliseCompensate.name, () => {
  it('reads the example of the documentation without a complaint', () => {
    const [, example] = /```yaml\n([\s\S]*?)```/.exec(readFileSync('docs/workflows/sagas.md', 'utf8'))!;
    const text = `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: order, path: shop/order }\n${example!}`;
    const { playbook, found } = parsed(text);
    expect(found).toEqual([]);
    expect(playbook?.workflow.map(({ name, compensate }) => [name, compensate?.action.type, compensate?.covers])).toEqual([
      ['reserve', 'http', 'completed'],
      ['charge', 'playbook', 'completed'],
      ['ship', 'http', 'started'],
      ['end', undefined, undefined],
    ]);
  });

  it('leaves documents without it as they were', () => {
    const { playbook } = parsed(document('  - { step: a, type: http, endpoint: http://a }\n'));
    expect(playbook?.workflow.every((each) => !('compensate' in each))).toBe(true);
  });

  const HTTP = '{ type: http, endpoint: http://a }';
  it.each<[string, string]>([
    [document(step('{ type: http, endpoint: http://a }', '{ type: log, message: x }')), 'invalid_compensate /workflow/0/compensate'],
    [document(step('{ type: log, message: x }', HTTP)), 'invalid_compensate /workflow/0/compensate'],
    [document(step('{ type: save, storage: event_log }', HTTP)), 'invalid_compensate /workflow/0/compensate'],
    [
      document(step('{ type: http, endpoint: http://a, save: { storage: event_log } }', HTTP)),
      'invalid_compensate /workflow/0/compensate/save',
    ],
    [document(step('{ type: http, endpoint: http://a, on_error: continue }', HTTP)), 'invalid_compensate /workflow/0/compensate/on_error'],
    [document(step('[1]', HTTP)), 'invalid_compensate /workflow/0/compensate'],
    [document(step('{ type: router }', HTTP)), 'invalid_value /workflow/0/compensate/type'],
    [document(step('{ type: pyton }', HTTP)), 'unknown_type /workflow/0/compensate/type'],
    [document(step('{ type: workbook, name: none }', HTTP)), 'unknown_task /workflow/0/compensate'],
    [document(step('{ type: model_call, spec: {} }', HTTP)), 'unknown_type /workflow/0/compensate/type'],
    [
      document(
        step(HTTP, HTTP),
        'workbook:\n  - { name: t, type: http, endpoint: http://a, compensate: { type: http, endpoint: http://a } }\n',
      ),
      'invalid_compensate /workbook/0/compensate',
    ],
  ])('refuses %s', (text, issue) => expect(parsed(text).found).toContain(issue));

  it('knows what stands behind the name of a workbook task', () => {
    const workbook = 'workbook:\n  - { name: nap, type: wait, duration: 1 }\n  - { name: told, type: act, save: { storage: event_log } }\n';
    const kept = workbook.replaceAll('type: act', 'type: http, endpoint: http://a');
    for (const [name, word] of [
      ['nap', 'does not act'],
      ['told', 'has saves'],
    ] as const) {
      const { playbook, found } = parsed(document(step(`{ type: workbook, name: ${name} }`, HTTP), kept));
      expect(found).toEqual([]);
      expect(() => compilePlaybook(playbook!, TEST_KINDS)).toThrow(EngineError);
      expect(() => compilePlaybook(playbook!, TEST_KINDS)).toThrow(word);
    }
  });

  it('makes a step of its own of it, which no name of a document can be', () => {
    const { playbook } = parsed(document(step('{ type: http, endpoint: http://b }', HTTP)));
    const { steps, byName, progressUnits } = compilePlaybook(playbook!, TEST_KINDS);
    const undo = byName.get('a.compensate')!;
    expect([steps.length, undo.index, undo.undoes, steps[0]!.undoneBy]).toEqual([3, 2, 0, { index: 2, covers: 'completed' }]);
    expect(progressUnits.map(({ name }) => name)).not.toContain('a.compensate');
    expect(steps.every(({ reach }) => !reach.has(undo.index))).toBe(true);
  });
});
