import { aStep, anAction, compiled, to } from '../testing/playbook-builder.js';
import { simulateRun } from '../testing/simulated-run.js';
import { type Json } from '../values.js';
import { missingInputs, missingOutputs } from './asserts.js';

/** A run of these steps, where `act` gives the value. */
const runOf = (steps: Parameters<typeof compiled>[0], value: Json): ReturnType<typeof simulateRun> =>
  simulateRun(compiled(steps), { outcome: () => ({ ok: true, result: { value } }) });

describe(missingOutputs.name, () => {
  const withReturns = (...paths: string[]) => {
    const returns = paths.map((path) => ({ path, type: null }));
    return [aStep('act', { action: anAction({ assert: { expects: [], returns, mode: null } }) })];
  };

  it.each<[string, Json]>([
    ['result.message', { message: 1 }],
    ['result.message', { status: 'ok', data: { message: 1 } }],
    ['this.data.message', { message: 1 }],
    ['this.message', { message: 1 }],
    ['this.status', 5],
    ['result', 5],
    ['result.0.id', [{ id: 1 }]],
  ])('%s is in what %j is', (path, value) => {
    expect(runOf(withReturns(path), value).result).toEqual(value);
  });

  it.each(['result.nope', 'this.data.nope', 'this.nope', 'status'])('%s is not', (path) => {
    expect(runOf(withReturns(path), { message: 1 }).terminal).toMatchObject({ error: { code: 'assert_returns' } });
  });
});

describe(missingInputs.name, () => {
  it('finds items of the lists that steps gave', () => {
    const expects = [
      { path: 'act.0.id', type: null },
      { path: 'steps.act.data.1.id', type: null },
    ];
    const steps = [
      aStep('act', { action: anAction(), next: to('check') }),
      aStep('check', { action: anAction({ assert: { expects, returns: [], mode: null } }) }),
    ];
    expect(runOf(steps, [{ id: 1 }, { id: 2 }]).result).toEqual([{ id: 1 }, { id: 2 }]);
  });
});
