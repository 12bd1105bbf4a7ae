import fc from 'fast-check';
import { type Step } from '../playbook/playbook.js';
import { aStep, anAction, compiled, to, when } from '../testing/playbook-builder.js';
import { simulateRun, type SimulatedRun } from '../testing/simulated-run.js';
import { LOOP_LIMITS } from './fire.js';
import { readySteps } from './joins.js';
import { newRunState } from './run-state.js';

const FIRING = {
  wave: 1,
  attempt: 1,
  inputs: {},
  request: null,
  timeoutMs: null,
  timeoutAt: null,
  arrivedFrom: [],
  arrivedError: null,
  waitsFor: null,
  approval: null,
  dueAt: null,
  parkedSince: null,
  parts: null,
  acted: null,
  asked: null,
  answered: null,
  share: 0,
  isHeld: false,
  lateFor: [],
  isLost: false,
  undoes: null,
};

interface GraphStep {
  readonly acts: boolean;
  /** For each later (or, with cycles, any) step: no edge, a plain one, or one with a condition that is fixed per graph. */
  readonly edges: readonly ('none' | 'always' | 'never')[];
}

const graph = (size: number): fc.Arbitrary<GraphStep[]> =>
  fc.array(
    fc.record({
      acts: fc.boolean(),
      edges: fc.array(fc.constantFrom<'none' | 'always' | 'never'>('none', 'none', 'always', 'never'), {
        minLength: size,
        maxLength: size,
      }),
    }),
    { minLength: size, maxLength: size },
  );

function stepsOf(nodes: readonly GraphStep[], allowed: (from: number, to: number) => boolean): Step[] {
  return [
    ...nodes.map((node, from) =>
      aStep(`s${from}`, {
        action: node.acts ? anAction() : null,
        next: node.edges.flatMap((edge, target) =>
          edge === 'none' || !allowed(from, target)
            ? []
            : [when(edge === 'always' ? 'true' : 'false', `s${target}`, { [`from_${from}`]: from })],
        ),
      }),
    ),
    aStep('end'),
  ];
}

/** Positions of the events that fire, settle and arm each step. */
function positions(run: SimulatedRun): { fired: Map<string, number[]>; armed: Map<string, number[]> } {
  const fired = new Map<string, number[]>();
  const armed = new Map<string, number[]>();
  const push = (map: Map<string, number[]>, key: string, at: number): void => void map.set(key, [...(map.get(key) ?? []), at]);
  const running = new Set<string>();
  run.events.forEach((event, at) => {
    if (event.type === 'step_started') {
      push(fired, event.step, at);
      running.add(event.step);
    }
    if (event.type === 'step_completed') {
      if (!running.delete(event.step)) push(fired, event.step, at);
      for (const edge of event.edges) push(armed, edge.to, at);
    }
  });
  return { fired, armed };
}

/**
 * The text of the rule, word for word and by brute force: every path is walked, nothing is precomputed. An armed step fires
 * when no other live token can reach it; among armed steps that only armed steps block, directly or through others, the one
 * armed first of those that block each other fires, unless one outside of them blocks them.
 */
function firesByTheText(
  edges: readonly (readonly number[])[],
  armed: readonly number[],
  running: readonly number[],
  end: number,
): number[] {
  const reaches = (from: number, target: number): boolean => {
    const seen = new Set<number>();
    const walk = (at: number): boolean =>
      (edges[at] ?? []).some((next) => next === target || (!seen.has(next) && (seen.add(next), walk(next))));
    return walk(from);
  };
  const isFree = (step: number): boolean => !running.some((token) => token === step || reaches(token, step));
  const free = armed.filter((step) => step !== end && isFree(step));
  const fires = free.filter((step) => {
    const blockers = free.filter((other) => other !== step && reaches(other, step));
    const circle = blockers.filter((other) => reaches(step, other));
    return circle.length === blockers.length && circle.every((other) => armed.indexOf(step) < armed.indexOf(other));
  });
  return armed.length === 1 && armed[0] === end && running.length === 0 ? [end] : fires;
}

describe(readySteps.name, () => {
  it('fires what the text of the rule says, for every set of tokens', () => {
    const size = 7;
    const tokens = fc.shuffledSubarray([...Array(size + 1).keys()]);
    const targets = fc.array(fc.uniqueArray(fc.nat(size - 1), { maxLength: 2 }), { minLength: size, maxLength: size });
    fc.assert(
      fc.property(targets, tokens, fc.subarray([...Array(size).keys()], { maxLength: 3 }), (edges, armed, running) => {
        const playbook = compiled([
          ...edges.map((next, index) => aStep(`s${index}`, { action: anAction(), next: to(...next.map((target) => `s${target}`)) })),
          aStep('end'),
        ]);
        const state = newRunState(playbook, {});
        for (const step of armed) state.armed.set(step, { step, arrivals: [], isSkipped: false });
        for (const step of running) state.running.set(step, { ...FIRING, step });
        const ready = readySteps(state, playbook).map((step) => step.index);
        expect(ready.toSorted()).toEqual(firesByTheText(edges, armed, running, size).toSorted());
        if (running.length === 0 && armed.length > 0) expect(ready.length).toBeGreaterThan(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('fires every join of an acyclic graph exactly once, after its last arrival, in whatever order branches end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }).chain(graph), fc.infiniteStream(fc.nat()), (nodes, picks) => {
        const playbook = compiled(stepsOf(nodes, (from, target) => target > from));
        const run = simulateRun(playbook, { pick: (n) => (picks.next().value as number) % n });
        expect(run.terminal.type).toBe('execution_completed');
        const { fired, armed } = positions(run);
        expect(fired.get('end')).toEqual([run.events.length - 2]);
        for (let index = 0; index < nodes.length; index++) {
          const name = `s${index}`;
          const arrivals = armed.get(name) ?? [];
          expect(fired.get(name) ?? []).toHaveLength(index === 0 || arrivals.length > 0 ? 1 : 0);
          if (arrivals.length > 0) expect(fired.get(name)![0]).toBeGreaterThan(Math.max(...arrivals));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('ends every run, cycles included', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }).chain(graph), fc.infiniteStream(fc.nat()), (nodes, picks) => {
        const playbook = compiled(stepsOf(nodes, (from, target) => target !== from || nodes.length > 1));
        const run = simulateRun(playbook, { pick: (n) => (picks.next().value as number) % n });
        const runsAway = run.terminal.type === 'execution_failed' && run.terminal.error.code === 'loop_limit';
        expect(runsAway || run.terminal.type === 'execution_completed').toBe(true);
        const ends = run.events.filter((event) => event.type === 'step_completed' && event.step === 'end');
        expect(ends).toHaveLength(runsAway ? 0 : 1);
      }),
      { numRuns: 60 },
    );
  });

  it('runs parallel branches at once and the join once, with the data of all arrivals in document order', () => {
    const playbook = compiled([
      aStep('start', { next: to('a', 'b') }),
      aStep('a', { action: anAction(), next: [{ kind: 'plain', then: [{ step: 'join', data: { who: 'a', a: 1 } }] }] }),
      aStep('b', { action: anAction(), next: [{ kind: 'plain', then: [{ step: 'join', data: { who: 'b', b: 2 } }] }] }),
      aStep('join', { next: to('end') }),
      aStep('end'),
    ]);
    for (const pick of [() => 0, (n: number) => n - 1]) {
      const run = simulateRun(playbook, { pick });
      expect(run.peak).toBe(2);
      expect(run.result).toEqual({ who: 'b', a: 1, b: 2 });
    }
  });

  it('a conditional diamond does not wait for the path that was not taken', () => {
    const playbook = compiled([
      aStep('start', { next: [when('true', 'left'), when('false', 'right')] }),
      aStep('left', { next: to('join') }),
      aStep('right', { action: anAction(), next: to('join') }),
      aStep('join', { next: to('end') }),
      aStep('end'),
    ]);
    const run = simulateRun(playbook);
    expect(run.events.map((event) => ('step' in event ? event.step : event.type))).toEqual([
      'execution_started',
      'start',
      'left',
      'join',
      'end',
      'execution_completed',
    ]);
  });

  it('armed steps that only block each other fire in the order of arming', () => {
    const playbook = compiled([
      aStep('start', { next: to('b', 'a') }),
      aStep('a', { next: [when('false', 'b')] }),
      aStep('b', { next: [when('false', 'a')] }),
      aStep('end'),
    ]);
    const steps = simulateRun(playbook).events.flatMap((event) => (event.type === 'step_completed' ? [event.step] : []));
    expect(steps).toEqual(['start', 'b', 'a', 'end']);
  });

  it('the same, while something unrelated runs', () => {
    const playbook = compiled([
      aStep('start', { next: to('slow', 'b', 'a') }),
      aStep('slow', { action: anAction(), next: to('end') }),
      aStep('a', { next: [when('false', 'b')] }),
      aStep('b', { next: [when('false', 'a')] }),
      aStep('end'),
    ]);
    const steps = simulateRun(playbook).events.flatMap((event) => (event.type === 'step_completed' ? [event.step] : []));
    expect(steps).toEqual(['start', 'b', 'a', 'slow', 'end']);
  });

  it('a back edge gives the next wave, and a loop without end is cut', () => {
    const loop = (condition: string): Step[] => [
      aStep('start', { next: to('count') }),
      aStep('count', {
        vars: { n: '{{ (vars.n | default(0)) + 1 }}' },
        next: [when(condition, 'count'), { kind: 'else', then: [{ step: 'end', data: {} }] }],
      }),
      aStep('end'),
    ];
    const bounded = simulateRun(compiled(loop('vars.n < 5')));
    expect(bounded.state.vars).toEqual({ n: 5 });
    expect(bounded.events.flatMap((event) => (event.type === 'step_completed' && event.step === 'count' ? [event.wave] : []))).toEqual([
      1, 2, 3, 4, 5,
    ]);
    const endless = simulateRun(compiled(loop('true')));
    expect(endless.terminal).toMatchObject({ type: 'execution_failed', error: { code: 'loop_limit', step: 'count' } });
    expect(endless.state.fired[1]).toBe(LOOP_LIMITS.runsOfOneStep + 1);
  });
});
