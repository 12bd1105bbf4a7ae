import { aStep, anAction, compiled, to } from '../testing/playbook-builder.js';
import { type SimulatedRun, simulateRun, type SimulationOptions } from '../testing/simulated-run.js';
import { type CompiledPlaybook } from '../playbook/compiled.js';
import { decide } from './decide.js';
import { type Stimulus } from './decision.js';

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `b${n}`);
/** Runs with a clock that says at each look that much time has passed. */
const slowly = (playbook: CompiledPlaybook, options: SimulationOptions = {}): SimulatedRun => {
  let ms = 0;
  return simulateRun(playbook, { ...options, monotonic: () => (ms += 4) });
};
const withoutDurations = ({ events }: SimulatedRun): unknown[] =>
  events.map((event) => ('durationMs' in event ? { ...event, durationMs: 0 } : event));
const most = ({ decisions }: SimulatedRun): number => Math.max(...decisions);

describe(`${decide.name}: time`, () => {
  it.each([
    ['that nothing joins', {}],
    ['that join', { next: to('end') }],
  ])('leaves steps to other decisions once one has taken long, and comes to the same: routers %s', (_which, step) => {
    const routers = names(100).map((name) => aStep(name, { data: { [name]: '{{ 1 + 1 }}' }, ...step }));
    const playbook = compiled([aStep('start', { next: to(...names(100)) }), ...routers, aStep('end')]);
    const slow = slowly(playbook);
    const quick = simulateRun(playbook);
    expect(most(quick)).toBeGreaterThan(90);
    expect(most(slow)).toBeLessThan(10);
    expect(withoutDurations(slow)).toEqual(withoutDurations(quick));
    expect(slow.result).toEqual(quick.result);
  });

  it.each(['any', 'three'] as const)('what was ready together reaches a join together, wherever a decision stops: %s', (join) => {
    const step = (name: string, n: number) => aStep(name, { data: { [`v${n}`]: n }, next: to('j') });
    const playbook = compiled([
      aStep('start', { next: to(...names(20)) }),
      ...names(20).map(step),
      aStep('j', { join: join === 'any' ? 1 : 3, next: to('end') }),
      aStep('end'),
    ]);
    const slow = slowly(playbook);
    expect(most(slow)).toBeLessThan(10);
    expect(withoutDurations(slow)).toEqual(withoutDurations(simulateRun(playbook)));
  });

  it('hands out signals in as many decisions as it takes', () => {
    const waits = names(50).map((name) => aStep(name, { action: anAction({ type: 'wait_for', fields: { name: 's' } }) }));
    const playbook = compiled([aStep('start', { next: to(...names(50)) }), ...waits, aStep('end')]);
    const told = (): SimulationOptions => {
      const stimuli: Stimulus[] = [
        { kind: 'pause', reason: null },
        ...names(50).map((payload): Stimulus => ({ kind: 'signal', name: 's', payload })),
        { kind: 'resume' },
      ];
      return { interrupt: (state) => (state.running.size < 50 && stimuli.length === 52 ? null : (stimuli.shift() ?? null)) };
    };
    const slow = slowly(playbook, told());
    const quick = simulateRun(playbook, told());
    expect(most(quick)).toBeGreaterThanOrEqual(100);
    expect(most(slow)).toBeLessThan(20);
    expect(withoutDurations(slow)).toEqual(withoutDurations(quick));
  });
});
