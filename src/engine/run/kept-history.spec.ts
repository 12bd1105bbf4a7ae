import fc from 'fast-check';
import { StepFailure } from '../step-executor.js';
import { type Step } from '../playbook/playbook.js';
import { aRetry, aStep, anAction, compiled, to, when } from '../testing/playbook-builder.js';
import { simulateRun } from '../testing/simulated-run.js';
import { foldEvents } from './apply.js';
import { type RunEvent } from './events.js';
import { checkKept, keptForFork, keptForRetry } from './kept-history.js';

const playbook = compiled([
  aStep('start', { next: to('a', 'b') }),
  aStep('a', { action: anAction(), next: to('join') }),
  aStep('b', { action: anAction(), next: [when('{{ b.again }}', 'b'), ...to('join')] }),
  aStep('join', { action: anAction(), next: to('end') }),
  aStep('end', { data: { done: true } }),
]);
const names = (events: readonly RunEvent[]): string[] =>
  events.flatMap((event) => ('step' in event && event.type === 'step_completed' ? [`${event.step} ${event.wave}`] : []));

describe(keptForRetry.name, () => {
  it('a retry of any failed or cancelled run completes with what the run itself would have come to, and repeats nothing that completed', () => {
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.nat()),
        fc.array(fc.boolean(), { maxLength: 8 }),
        fc.integer({ min: 0, max: 12 }),
        (picks, loops, stopAt) => {
          const left = [...loops];
          const value = (step: string) => ({ from: step, again: step === 'b' && (left.shift() ?? false) });
          const ran: string[] = [];
          let attempts = 0;
          const first = simulateRun(playbook, {
            pick: (n) => (picks.next().value as number) % n,
            outcome: (step, perform) => {
              if (++attempts > stopAt) return { ok: false, failure: new StepFailure('http_error', 'no') };
              ran.push(`${step} ${perform.wave}`);
              return { ok: true, result: { value: value(step) } };
            },
          });
          if (first.terminal.type !== 'execution_failed') return;
          const kept = keptForRetry(first.events);
          checkKept(playbook, kept);
          const again = simulateRun(playbook, {
            kept,
            pick: (n) => (picks.next().value as number) % n,
            outcome: (step, perform) => {
              ran.push(`${step} ${perform.wave}`);
              return { ok: true, result: { value: value(step) } };
            },
          });
          expect(again.terminal.type).toBe('execution_completed');
          expect(again.result).toEqual({ done: true });
          expect(new Set(ran).size).toBe(ran.length);
          expect(names(again.events).filter((name) => name.startsWith('end'))).toHaveLength(1);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each<[string, Step['onError']]>([
    ['fail', { kind: 'fail' }],
    ['continue', { kind: 'continue' }],
    ['goto', { kind: 'goto', target: { step: 'other', data: {} } }],
  ])(
    'a step whose attempt failed in a run that had failed meanwhile has its other attempts in the retry, on_error: %s',
    (_name, onError) => {
      const flaky = compiled([
        aStep('start', { next: to('broken', 'flaky') }),
        aStep('broken', { action: anAction(), next: to('end') }),
        aStep('flaky', { action: anAction({ retry: aRetry() }), onError, next: to('end') }),
        aStep('other', { next: to('end') }),
        aStep('end', { data: { flaky: '{{ flaky }}' } }),
      ]);
      const first = simulateRun(flaky, { outcome: () => ({ ok: false, failure: new StepFailure('http_error', 'no') }) });
      expect(first.terminal).toMatchObject({ type: 'execution_failed', error: { step: 'broken' } });
      const again = simulateRun(flaky, { kept: keptForRetry(first.events), outcome: (step) => ({ ok: true, result: { value: step } }) });
      expect(again.result).toEqual({ flaky: 'flaky' });
    },
  );

  it.each(['failed', 'was cancelled'])('a step that still wanted more when its run %s has it in the retry', (how) => {
    const polls = compiled([
      aStep('start', { next: to('broken', 'poll') }),
      aStep('broken', { action: anAction(), next: to('end') }),
      aStep('poll', { action: anAction({ retry: aRetry({ retryWhen: '{{ poll == "pending" }}' }) }), next: to('end') }),
      aStep('end', { data: { poll: '{{ poll }}' } }),
    ]);
    const first = simulateRun(polls, {
      outcome: (step) =>
        step === 'broken' && how === 'failed'
          ? { ok: false, failure: new StepFailure('http_error', 'no') }
          : { ok: true, result: { value: 'pending' } },
      interrupt: (state, events) =>
        how === 'was cancelled' && !state.cancel && events.some(({ type }) => type === 'step_started')
          ? { kind: 'cancel', reason: null, force: false }
          : null,
    });
    expect(['execution_failed', 'execution_cancelled']).toContain(first.terminal.type);
    const again = simulateRun(polls, { kept: keptForRetry(first.events), outcome: () => ({ ok: true, result: { value: 'ready' } }) });
    expect(again.result).toEqual({ poll: 'ready' });
  });
});

describe(keptForFork.name, () => {
  const history = simulateRun(playbook, { outcome: (step) => ({ ok: true, result: { value: { from: step } } }) }).events;

  it.each([
    ['join', ['start 1', 'a 1', 'b 1']],
    ['b', ['start 1', 'a 1']],
    ['a', ['start 1', 'b 1']],
    ['start', []],
    ['end', ['start 1', 'a 1', 'b 1', 'join 1']],
  ])('from %s keeps %j, and only that step is armed', (step, kept) => {
    const events = keptForFork(playbook, history, step)!;
    expect(names(events).sort()).toEqual([...kept].sort());
    const state = foldEvents(playbook, {}, [{ type: 'execution_started' }, ...events]);
    expect([...state.armed.keys()].map((index) => playbook.steps[index]!.name)).toContain(step);
    expect(state.running.size).toBe(0);
  });

  it('from a step that is not there, or never ran, is nothing', () => {
    expect(keptForFork(playbook, history, 'nowhere')).toBeNull();
    expect(keptForFork(playbook, history.slice(0, 2), 'join')).toBeNull();
  });
});

describe(checkKept.name, () => {
  it('names the step that another version lacks', () => {
    const other = compiled([aStep('start', { next: to('a') }), aStep('a', { action: anAction() })]);
    const { events } = simulateRun(playbook);
    expect(() => checkKept(other, keptForRetry(events))).toThrow(expect.objectContaining({ code: 'incompatible_version' }));
  });
});
