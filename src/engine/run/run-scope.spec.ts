import { type NextEntry } from '../playbook/playbook.js';
import { aStep, compiled, to, when } from '../testing/playbook-builder.js';
import { simulateRun } from '../testing/simulated-run.js';
import { type Json } from '../values.js';
import { RunScope } from './run-scope.js';

const anEnd = (result: Json) => aStep('end', { result, hasResult: true });
/** The result of these steps, where `act` gives the value. */
const resultOf = (steps: Parameters<typeof compiled>[0], value: Json = null): Json =>
  simulateRun(compiled(steps), { outcome: () => ({ ok: true, result: { value } }) }).result;

describe(RunScope.name, () => {
  describe('a name that several steps publish', () => {
    const publishing = (name: string, n: number, next: NextEntry[]) => aStep(name, { data: { n }, as: 'state', next });

    it('means the one that ended last, wherever it stands in the document', () => {
      const steps = [
        aStep('start', { next: to('late') }),
        publishing('early', 2, to('end')),
        publishing('late', 1, to('early')),
        anEnd('{{ state.n }}'),
      ];
      expect(resultOf(steps)).toBe(2);
    });

    it('follows a cycle', () => {
      const plusOne = { n: '{{ state.n + 1 }}' };
      const steps = [
        publishing('start', 0, to('a')),
        aStep('a', {
          data: plusOne,
          as: 'state',
          next: [when('{{ state.n > 4 }}', 'end'), { kind: 'else', then: [{ step: 'b', data: {} }] }],
        }),
        aStep('b', { data: plusOne, as: 'state', next: to('a') }),
        anEnd('{{ state.n }}'),
      ];
      expect(resultOf(steps)).toBe(5);
    });
  });
});
