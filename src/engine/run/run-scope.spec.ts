import { type NextEntry, type Save } from '../playbook/playbook.js';
import { aStep, anAction, compiled, to, when } from '../testing/playbook-builder.js';
import { ProgramStage } from '../testing/program-stage.js';
import { simulateRun } from '../testing/simulated-run.js';
import { type Json, type JsonObject } from '../values.js';
import { RunScope } from './run-scope.js';

const aSave = (overrides: Partial<Save> = {}): Save => ({
  storage: 'variables',
  when: null,
  on: 'success',
  name: 'kept',
  data: null,
  auth: null,
  onError: null,
  fields: {},
  ...overrides,
});
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

  describe('data, while the data of a save is rendered,', () => {
    const data = { given: '{{ data.given }}', made: '{{ data.made }}', both: '{{ data.both }}', got: "{{ data.get('given') }}" };
    const saving = (save: Partial<Save>, storage = 'variables') => [
      aStep('act', {
        action: anAction({ data: { given: 1, both: 'input' }, save: [aSave({ ...save, storage })] }),
        next: to('end'),
      }),
    ];

    it.each<[string, Json, JsonObject]>([
      ['is the value, and the inputs for keys that it lacks', { made: 2, both: 'value' }, { given: 1, made: 2, both: 'value', got: 1 }],
      ['is the inputs where there is no value to ask', null, { given: 1, made: null, both: 'input', got: 1 }],
    ])('%s', (_name, value, expected) => {
      expect(resultOf([...saving({ data }), anEnd('{{ kept }}')], value)).toEqual(expected);
    });

    it('is the value alone where all of it is meant', () => {
      expect(resultOf([...saving({ data: '{{ data }}' }), anEnd('{{ kept }}')], { made: 2 })).toEqual({ made: 2 });
    });

    it('is the same for saves that go to the world', async () => {
      const stage = new ProgramStage([...saving({ data, name: null }, 'act'), aStep('end')]);
      await stage.hold('one');
      await stage.settle(0, { made: 2, both: 'value' });
      await stage.settle(1, null);
      expect(stage.eventsOf('step_completed')[0]).toMatchObject({
        saves: [{ storage: 'act', data: { given: 1, made: 2, both: 'value', got: 1 } }],
      });
    });
  });
});
