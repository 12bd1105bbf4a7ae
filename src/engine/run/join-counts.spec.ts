import fc from 'fast-check';
import { edgesOf } from '../playbook/graph.js';
import { joinsOf } from '../playbook/joins.js';
import { type NextEntry, type Step } from '../playbook/playbook.js';
import { StepFailure } from '../step-executor.js';
import { aStep, anAction, compiled, to, when } from '../testing/playbook-builder.js';
import { simulateRun, simulatedWorld, type SimulatedRun } from '../testing/simulated-run.js';
import { withoutRenderer } from '../testing/without-renderer.js';
import { foldEvents } from './apply.js';
import { decide, resume } from './decide.js';
import { type RunEvent } from './events.js';
import { canReach, lateForOf } from './join-counts.js';
import { readySteps } from './joins.js';
import { type Arrival, newRunState, type RunState } from './run-state.js';

const FACTS = { executionId: '1', parameters: {}, metadata: {}, env: {}, startAt: null, timeoutAt: null };
/** What comes of work that stops now and then, and how often it stopped. */
function inParts<T>(work: Generator<void, T, void>): { readonly value: T; readonly stops: number } {
  for (let stops = 0; ; stops++) {
    const { done, value } = work.next();
    if (done) return { value, stops };
  }
}
const CANCELLED = new StepFailure('cancelled', 'The step was aborted.', { retryable: false, origin: 'abort' });
const waitsFor = (name: string): Partial<Step> => ({ action: anAction({ type: 'wait_for', fields: { name } }) });
const said = (events: readonly RunEvent[]): string[] =>
  events.flatMap((event) => {
    if (event.type === 'step_skipped') return [`${event.step} ${event.wave} ${event.reason}`];
    return event.type === 'step_completed' || event.type === 'step_failed' ? [`${event.step} ${event.wave}`] : [];
  });
const comparable = (state: RunState): unknown =>
  JSON.parse(JSON.stringify(state, (_key, value: unknown) => (value instanceof Map ? [...value] : value)));
const asText = (events: readonly RunEvent[]): string => JSON.stringify(events);

describe(joinsOf.name, () => {
  it.each<[string, Step[], string[]]>([
    ['a branch, and what leads to it', [aStep('start', { next: to('a', 'j') }), aStep('a', { next: to('b') }), aStep('b', { next: to('j') })], ['start', 'a', 'b']], // prettier-ignore
    ['not what may also lead elsewhere', [aStep('start', { next: to('a', 'j') }), aStep('a', { next: to('j', 'end') })], []],
    ['a branch that tries again', [aStep('start', { next: to('a', 'o') }), aStep('a', { next: [when('x', 'a'), ...to('j')] }), aStep('o', { next: to('j') })], ['start', 'a', 'o']], // prettier-ignore
    ['not one that may go round in a circle for ever', [aStep('start', { next: to('a', 'j') }), aStep('a', { next: to('j', 'c') }), aStep('c', { next: to('c') })], []], // prettier-ignore
    ['one whose only way is conditional', [aStep('start', { next: to('a', 'end') }), aStep('a', { next: [when('x', 'j')] })], ['a']],
    ['whatever its on_error says', [aStep('start', { next: to('a', 'end') }), aStep('a', { onError: { kind: 'goto', target: { step: 'end', data: {} } }, next: to('j') })], ['a']], // prettier-ignore
    ['not what leads there by on_error alone', [aStep('start', { next: to('a', 'end') }), aStep('a', { onError: { kind: 'goto', target: { step: 'j', data: {} } }, next: to('end') })], []], // prettier-ignore
  ])('knows who is lost: %s', (_name, steps, losers) => {
    const playbook = compiled([...steps, aStep('j', { join: 1, next: to('end') }), aStep('end')]);
    const { join } = playbook.byName.get('j')!;
    expect(playbook.steps.filter(({ index }) => join!.losers.has(index)).map(({ name }) => name)).toEqual(losers);
  });

  it('knows them for any graph as the text says it', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 2, max: 8 })
          .chain((size) =>
            fc.tuple(fc.array(fc.uniqueArray(fc.nat(size - 1), { maxLength: 3 }), { minLength: size, maxLength: size }), fc.nat(size - 1)),
          ),
        ([edges, join]) => {
          const steps = edges.map((targets, at) =>
            aStep(`s${at}`, { next: to(...targets.map((target) => `s${target}`)), ...(at === join ? { join: 1 } : {}) }),
          );
          const { losers } = inParts(joinsOf(steps, edges, new Map(steps.map(({ name }, at) => [name, at])))).value(join).join!;
          const reached = (from: number, without: number): Set<number> => {
            const seen = new Set([from]);
            for (const at of seen) for (const next of edges[at]!) if (next !== without) seen.add(next);
            return seen;
          };
          for (const at of edges.keys()) {
            const canOnlyLeadThere = [...reached(at, join)].every((step) => reached(step, -1).has(join));
            expect([at, losers.has(at)]).toEqual([at, at !== join && canOnlyLeadThere]);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe(lateForOf.name, () => {
  const from = (...lateFor: number[]): Arrival => ({ from: 0, data: {}, error: null, ...(lateFor.length > 0 ? { lateFor } : {}) });
  it.each([
    ['nothing', [], []],
    ['what one is', [from(1, 2)], [1, 2]],
    ['what all are', [from(1, 2), from(2, 3), from(2)], [2]],
    ['nothing where one is in time', [from(1), from()], []],
  ])('is %s', (_name, arrivals, late) => expect(lateForOf(arrivals)).toEqual(late));
});

describe('a join that counts', () => {
  const race = (join: number, more: Partial<Step> = {}): Step[] => [
    aStep('start', { next: to('a', 'b', 'c') }),
    aStep('a', { ...waitsFor('a'), next: [{ kind: 'plain', then: [{ step: 'j', data: { a: 1 } }] }] }),
    aStep('b', { ...waitsFor('b'), next: [{ kind: 'plain', then: [{ step: 'j', data: { b: 1 } }] }] }),
    aStep('c', { action: anAction(), next: [{ kind: 'plain', then: [{ step: 'j', data: { c: 1 } }] }] }),
    aStep('j', { join, ...more, next: to('end') }),
    aStep('end'),
  ];
  /** Signals in this order, then what runs ends. */
  function raced(steps: Step[], signals: readonly string[], outcome: 'ok' | 'aborted' | 'fails' = 'aborted'): SimulatedRun {
    const left = [...signals];
    return simulateRun(compiled(steps), {
      outcome: (step, perform, state) => {
        const isLost = state.running.get(perform.step)?.isLost;
        if (!isLost || outcome === 'ok') return { ok: true, result: { value: step } };
        return { ok: false, failure: outcome === 'fails' ? new StepFailure('http_error', 'no') : CANCELLED };
      },
      interrupt: () => {
        const name = left.shift();
        return name === undefined ? null : { kind: 'signal', name, payload: {} };
      },
    });
  }

  it('fires at that arrival with what has come; who waits is skipped at once, who runs once it has ended', () => {
    const run = raced(race(1), ['b']);
    expect(said(run.events)).toEqual(['start 1', 'b 1', 'a 1 join', 'j 1', 'c 1 join', 'end 1']);
    expect(run.result).toEqual({ b: 1 });
    expect(raced(race(2), ['b', 'a']).result).toEqual({ a: 1, b: 1 });
  });

  it('records who ends well while it is aborted, and leads nowhere; who fails is skipped and not tried again', () => {
    const run = raced(race(1), ['b'], 'ok');
    expect(said(run.events)).toEqual(['start 1', 'b 1', 'a 1 join', 'j 1', 'c 1', 'end 1']);
    expect(run.result).toEqual({ b: 1 });
    expect(said(raced(race(1), ['b'], 'fails').events)).toContain('c 1 join');
  });

  it('aborts who runs, and an attempt that is decided in the same moment never begins', () => {
    const playbook = compiled([
      aStep('start', { next: to('a', 'b') }),
      aStep('a', { next: to('j') }),
      aStep('b', { action: anAction(), next: to('j') }),
      aStep('j', { join: 1, next: to('end') }),
      aStep('end'),
    ]);
    const state = newRunState(playbook, {});
    const first = decide(playbook, state, FACTS, simulatedWorld(), { kind: 'start' });
    const b = playbook.byName.get('b')!.index;
    // Whoever carries the performs out sees that it is lost (orchestrator.ts).
    expect([first.aborts, first.performs.map(({ step }) => step), state.running.get(b)?.isLost]).toEqual([[b], [b], true]);
    const taken = foldEvents(playbook, {}, first.events);
    const again = resume(playbook, taken, FACTS, simulatedWorld());
    expect(again.performs.map(({ step }) => step)).toEqual([b]);
    expect(taken.running.get(b)?.isLost).toBe(true);
  });

  it('is complete with fewer only as a failure, which its on_error may absorb', () => {
    const short: NextEntry[] = [when('false', 'j')];
    const steps = (more: Partial<Step>): Step[] => [
      aStep('start', { next: to('a', 'b') }),
      aStep('a', { next: to('j') }),
      aStep('b', { action: anAction(), next: short }),
      aStep('j', { join: 2, ...more, next: to('end') }),
      aStep('end'),
    ];
    expect(simulateRun(compiled(steps({}))).terminal).toMatchObject({ error: { code: 'join_unreachable', step: 'j' } });
    const absorbed = simulateRun(compiled(steps({ onError: { kind: 'continue' } })));
    expect([absorbed.terminal.type, said(absorbed.events)]).toEqual(['execution_completed', ['start 1', 'a 1', 'b 1', 'j 1', 'end 1']]);
  });

  it('on the terminal step asks for its arrivals, too', () => {
    const steps = (join: number): Step[] => [
      aStep('start', { next: to('a', 'b') }),
      aStep('a', { next: to('end') }),
      aStep('b', { action: anAction(), next: [when('false', 'end')] }),
      aStep('end', { join }),
    ];
    expect(said(simulateRun(compiled(steps(1)), { outcome: () => ({ ok: false, failure: CANCELLED }) }).events)).toEqual(['start 1', 'a 1', 'end 1', 'b 1 join']); // prettier-ignore
    expect(simulateRun(compiled(steps(2))).terminal).toMatchObject({ error: { code: 'join_unreachable', step: 'end' } });
  });

  it('lets what may lead elsewhere live on, and does not count it later, but counts what a loop brings', () => {
    const playbook = compiled([
      aStep('start', { next: to('round') }),
      aStep('round', { vars: { n: '{{ (vars.n | default(0)) + 1 }}' }, next: ['a', 'b', 'stray'].map((name) => when(name === 'stray' ? 'vars.n == 1' : 'true', name)) }), // prettier-ignore
      aStep('a', { action: anAction(), next: to('j') }),
      aStep('b', { action: anAction(), next: to('j') }),
      aStep('stray', { ...waitsFor('go'), next: to('j', 'other', 'back') }),
      aStep('other', { next: to('end') }),
      aStep('back', { next: to('j') }),
      aStep('j', { join: 2, next: [when('vars.n < 3', 'round'), { kind: 'else', then: [{ step: 'gate', data: {} }] }] }),
      aStep('gate', { ...waitsFor('late'), next: to('end') }),
      aStep('end'),
    ]);
    const left = ['go', 'late'];
    const run = simulateRun(playbook, {
      interrupt: (state) => (state.fired[playbook.byName.get('gate')!.index] === 1 && left.length > 0 ? { kind: 'signal', name: left.shift()!, payload: {} } : null), // prettier-ignore
    });
    expect(run.terminal.type).toBe('execution_completed');
    const names = said(run.events);
    expect(names.filter((name) => name.startsWith('j '))).toEqual(['j 1', 'j 2', 'j 3']);
    // Nothing behind the join waited for the stray one; where it can only lead there it is skipped.
    expect(names.slice(names.indexOf('j 3') + 1)).toEqual(['stray 1', 'other 1', 'back 1 join', 'gate 1', 'end 1']);
  });

  it('in a loop lets its branches run at once: what the next round brings is not waited for', () => {
    const playbook = compiled([
      aStep('start', { next: to('round') }),
      aStep('round', { vars: { n: '{{ (vars.n | default(0)) + 1 }}' }, next: to('a', 'b') }),
      aStep('a', { ...waitsFor('never'), next: to('j') }),
      aStep('b', { action: anAction(), next: to('j') }),
      aStep('j', { join: 1, next: [when('vars.n < 2', 'round'), { kind: 'else', then: [{ step: 'end', data: {} }] }] }),
      aStep('end'),
    ]);
    expect(said(simulateRun(playbook).events)).toEqual(
      ['start 1', 'round 1', 'b 1', 'a 1 join', 'j 1', 'round 2', 'b 2', 'a 2 join', 'j 2', 'end 1'], // prettier-ignore
    );
  });

  it('counts nothing where a list of steps is run instead of the graph', () => {
    const playbook = compiled(race(2), { steps_override: ['start', 'c', 'j', 'end'] });
    expect(said(simulateRun(playbook).events)).toEqual(['start 1', 'c 1', 'j 1', 'end 1']);
  });

  it('on a cycle goes behind what waits for all, which alone could bring what it lacks', () => {
    const playbook = compiled([
      aStep('start', { next: to('j', 'all') }),
      aStep('all', { next: [when('true', 'j')] }),
      aStep('j', { join: 2, next: [when('false', 'all'), ...to('end')] }),
      aStep('end'),
    ]);
    expect(said(simulateRun(playbook).events)).toEqual(['start 1', 'all 1', 'j 1', 'end 1']);
  });
});

interface Node {
  readonly acts: boolean;
  readonly join: number | null;
  readonly edges: readonly ('none' | 'always' | 'never')[];
}
const nodesOf = (size: number): fc.Arbitrary<Node[]> =>
  fc.array(
    fc.record({
      acts: fc.boolean(),
      join: fc.constantFrom(null, null, 1, 1, 2, 3),
      edges: fc.array(fc.constantFrom<'none' | 'always' | 'never'>('none', 'none', 'always', 'always', 'never'), { minLength: size, maxLength: size }), // prettier-ignore
    }),
    { minLength: size, maxLength: size },
  );
const graphOf = (nodes: readonly Node[], allowed: (from: number, target: number) => boolean, onError: Step['onError']): Step[] => [
  ...nodes.map((node, from) =>
    aStep(`s${from}`, {
      action: node.acts ? anAction() : null,
      next: node.edges.flatMap((edge, target) =>
        edge === 'none' || !allowed(from, target) ? [] : [when(edge === 'always' ? 'true' : 'false', `s${target}`)],
      ),
      onError,
      ...(node.join === null || from === 0 ? {} : { join: node.join }),
    }),
  ),
  aStep('end'),
];

describe(readySteps.name, () => {
  const drive = (steps: Step[], picks: () => number): SimulatedRun => {
    const playbook = compiled(steps);
    const run = simulateRun(playbook, {
      pick: (n) => picks() % n,
      // Lost attempts end as they like.
      outcome: (step, perform, state) =>
        state.running.get(perform.step)?.isLost && picks() % 3 > 0
          ? { ok: false, failure: CANCELLED }
          : { ok: true, result: { value: step } },
    });
    expect(comparable(foldEvents(withoutRenderer(playbook), {}, run.events.slice(0, -1)))).toEqual(comparable(run.state));
    return run;
  };

  it('of any acyclic graph fires a join at its n-th arrival, once, and nothing of the losers begins behind it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9 }).chain(nodesOf), fc.infiniteStream(fc.nat()), (nodes, stream) => {
        const steps = graphOf(nodes, (from, target) => target > from, { kind: 'continue' });
        const playbook = compiled(steps);
        const run = drive(steps, () => stream.next().value as number);
        expect(run.terminal.type).toBe('execution_completed');
        const begins = (event: RunEvent): event is Extract<RunEvent, { step: string }> =>
          'step' in event && (event.type === 'step_started' || (event.type === 'step_completed' && !run.events.some((each) => each.type === 'step_started' && each.step === event.step))); // prettier-ignore
        for (const { name, join, index } of playbook.steps) {
          if (!join) continue;
          const fires = run.events.flatMap((event, at) => (begins(event) && event.step === name ? [at] : []));
          expect(fires.length).toBeLessThanOrEqual(1);
          const [at] = fires;
          if (at === undefined) continue;
          // A loser that ended well has led nowhere, and comes behind.
          const arrived = run.events.slice(0, at).flatMap((event) => ('edges' in event ? event.edges.filter(({ to: target }) => target === name) : [])); // prettier-ignore
          const event = run.events[at]!;
          const isShort = event.type === 'step_completed' && event.error?.code === 'join_unreachable';
          expect([name, isShort, asText(run.events.slice(0, at + 1))]).toEqual([name, arrived.length < join.count, expect.anything()]);
          const later = run.events.slice(at + 1).flatMap((each) => (begins(each) ? [playbook.byName.get(each.step)!.index] : []));
          expect(isShort ? [] : later.filter((step) => join.losers.has(step))).toEqual([]);
          expect(later).not.toContain(index);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('ends every run, cycles included', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }).chain(nodesOf), fc.infiniteStream(fc.nat()), (nodes, stream) => {
        const run = drive(
          graphOf(nodes, () => true, { kind: 'continue' }),
          () => stream.next().value as number,
        );
        const runsAway = run.terminal.type === 'execution_failed' && run.terminal.error.code === 'loop_limit';
        expect(runsAway || run.terminal.type === 'execution_completed').toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('a large graph is looked into in small parts, between which others have turns', () => {
    const steps = Array.from({ length: 60 }, (_, n) => aStep(`s${n}`, { next: to(`s${(n + 1) % 60}`, `s${(7 * n) % 60}`), join: 1 }));
    const indexOf = new Map(steps.map(({ name }, at) => [name, at]));
    // The entry, to which all others lead, is passed by every way.
    expect(inParts(joinsOf(steps, edgesOf(steps, indexOf), indexOf)).stops).toBe(59 + 60);
  });

  it('a graph is walked once for each step that a token is at and the joins it is late for, whatever asks', () => {
    const names = Array.from({ length: 50 }, (_, n) => `s${n}`);
    const made = compiled(names.map((name, n) => aStep(name, { next: n < 49 ? to(names[n + 1]!) : [], ...(n === 20 ? { join: 1 } : {}) })));
    let looks = 0;
    const steps = made.steps.map((step) => ({
      ...step,
      get next() {
        looks += 1;
        return step.next;
      },
    }));
    const playbook = { ...made, steps };
    for (const target of steps) {
      expect(canReach(playbook, steps[10]!, [20], target)).toBe(target.index > 10 && target.index < 20);
      expect(canReach(playbook, steps[30]!, [20], target)).toBe(target.index > 30);
    }
    expect(looks).toBe(steps.length);
  });
});
