import fc from 'fast-check';
import { type Step } from '../playbook/playbook.js';
import { StepFailure } from '../step-executor.js';
import { aRetry, aStep, anAction, compiled, to, when } from '../testing/playbook-builder.js';
import { simulateRun } from '../testing/simulated-run.js';
import { withoutRenderer } from '../testing/without-renderer.js';
import { foldEvents } from './apply.js';
import { type Json } from '../values.js';
import { type RunEvent } from './events.js';
import { newRunState, type RunState } from './run-state.js';
import { decodeState, encodeState, foldHistory, SNAPSHOT_FORM } from './snapshot.js';

/** A state as JSON that can be compared: maps as lists. */
function comparable(state: RunState): object {
  return JSON.parse(JSON.stringify(state, (_key, value: unknown) => (value instanceof Map ? [...value] : value))) as object;
}

const RETRY = aRetry({ jitter: true });

const steps: Step[] = [
  aStep('start', { vars: { at: '{{ now() }}', id: '{{ uuid() }}' }, next: to('a', 'b', 'c', 'nap', 'order') }),
  aStep('a', {
    action: anAction({ data: { when: '{{ now() }}' }, retry: RETRY }),
    onError: { kind: 'continue' },
    next: [when('{{ a.status == "error" }}', 'd'), ...to('end')],
  }),
  aStep('b', { action: anAction({ save: [save('kept', '{{ result }}')] }), as: 'bee', next: to('d') }),
  aStep('c', {
    action: anAction(),
    onError: { kind: 'goto', target: { step: 'd', data: { failed: '{{ error.message }}' } } },
    next: to('end'),
  }),
  aStep('nap', { action: anAction({ type: 'wait', fields: { duration: '{{ "9ms" }}' } }), next: to('end') }),
  aStep('order', {
    action: anAction({ type: 'wait_for', fields: { name: 'go' }, timeout: '60ms' }),
    onTimeout: { step: 'd', data: { why: '{{ error.code }}' } },
    next: [when('{{ order == 2 }}', 'order'), ...to('end')],
  }),
  aStep('d', { data: { v: '{{ kept }}', w: '{{ bee }}', r: '{{ now() }}' }, next: to('end') }),
  aStep('end', { data: { all: '{{ vars.id }}' } }),
];
function save(name: string, data: string): Step['save'][number] {
  return { storage: 'variables', when: null, on: 'success', name, data, auth: null, onError: null, fields: {} };
}

describe(foldEvents.name, () => {
  it('gives the state of the live run after every event, without clock and renderer', () => {
    const playbook = compiled(steps);
    const blind = withoutRenderer(playbook);
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.nat()),
        fc.infiniteStream(fc.boolean()),
        fc.integer({ min: 0, max: 80 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 2 }),
        (picks, failures, cancelAt, signalAt, pauseAt) => {
          let signals = 0;
          let pauses = 0;
          const run = simulateRun(playbook, {
            pick: (n) => (picks.next().value as number) % n,
            outcome: (step) =>
              failures.next().value
                ? { ok: true, result: { value: { from: step } } }
                : { ok: false, failure: new StepFailure('http_error', 'no', { statusCode: 503 }) },
            interrupt: (state, events) => {
              if (events.length > cancelAt && !state.cancel) return { kind: 'cancel', reason: 'test', force: false };
              if (state.pause === 'paused') return { kind: 'resume' };
              if (events.length >= (pauseAt[pauses] ?? Infinity)) return { kind: 'pause', reason: String(++pauses) };
              return events.length >= (signalAt[signals] ?? Infinity) ? { kind: 'signal', name: 'go', payload: ++signals } : null;
            },
          });
          const replayed = foldEvents(blind, {}, run.events.slice(0, -1));
          expect(comparable(replayed)).toEqual(comparable(run.state));
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** What a store gives back of a history. */
const stored = (events: readonly RunEvent[]): RunEvent[] => JSON.parse(JSON.stringify(events)) as RunEvent[];

/** Any graph of routers and acting steps, cycles included. @param joins how many arrivals a step may join */
const graphsWith = (joins: readonly (number | null)[]) =>
  fc.integer({ min: 1, max: 6 }).chain((size) =>
    fc
      .array(fc.record({ acts: fc.boolean(), join: fc.constantFrom(...joins), next: fc.uniqueArray(fc.nat(size - 1), { maxLength: 3 }) }), {
        minLength: size,
        maxLength: size,
      })
      .map((nodes) => [
        ...nodes.map(({ acts, join, next }, at) =>
          aStep(at === 0 ? 'start' : `s${at}`, {
            ...(acts && { action: anAction() }),
            ...(join !== null && at > 0 && { join }),
            next: to(...next.map((target) => (target === 0 ? 'end' : `s${target}`))),
          }),
        ),
        aStep('end'),
      ]),
  );

describe(foldHistory.name, () => {
  it.each([
    ['retries, saves, handlers and failures', fc.constant(steps)],
    ['any graph', graphsWith([null])],
    ['any graph with joins that count', graphsWith([null, 1, 1, 2])],
  ])('leads to the same state from a snapshot taken anywhere: %s', (_name, playbooks) => {
    fc.assert(
      fc.property(
        playbooks,
        fc.infiniteStream(fc.nat()),
        fc.infiniteStream(fc.boolean()),
        fc.integer({ min: 0, max: 60 }),
        fc.nat(),
        (document, picks, failures, cancelAt, cutAt) => {
          const playbook = compiled(document);
          const lived: { at: number; text: string }[] = [];
          const run = simulateRun(playbook, {
            pick: (n) => (picks.next().value as number) % n,
            outcome: () =>
              failures.next().value
                ? { ok: true, result: { value: { ok: [1, null, 'ünï'] } } }
                : { ok: false, failure: new StepFailure('http_error', 'no') },
            interrupt: (state, events) => {
              if (events.length < 60) lived.push({ at: events.length, text: encodeState(state)! });
              return events.length > cancelAt && !state.cancel ? { kind: 'cancel', reason: null, force: false } : null;
            },
          });
          const events = stored(run.events);
          const whole = foldEvents(playbook, {}, events);
          const cut = cutAt % (events.length + 1);
          const before = foldEvents(playbook, {}, events.slice(0, cut));
          const text = encodeState(before)!;
          const snapshot = { seq: cut, state: JSON.parse(text) as Json };
          const read = decodeState(playbook, {}, snapshot.state);
          expect(read).toStrictEqual(before);
          expect(encodeState(read)).toBe(text);
          expect(foldHistory(playbook, {}, { snapshot, events: events.slice(cut) })).toStrictEqual(whole);
          for (const { at, text: alive } of lived) {
            const state = JSON.parse(alive) as Json;
            const onwards = foldHistory(playbook, {}, { snapshot: { seq: at, state }, events: events.slice(at) });
            expect(comparable(onwards)).toEqual(comparable(whole));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps no state that is too long, and names every field of those it keeps', () => {
    const playbook = compiled(steps);
    const state = newRunState(playbook, { workload: 'is stored elsewhere' });
    const text = encodeState(state)!;
    expect(text).not.toContain('elsewhere');
    expect(encodeState(state, text.length)).toBe(text);
    expect(encodeState(state, text.length - 1)).toBeNull();
    for (const field of Object.keys(state)) if (field !== 'workload' && field !== 'override') expect(SNAPSHOT_FORM).toContain(`${field}:`);
    expect(() => decodeState(playbook, {}, { seq: 1 })).toThrow();
  });
});
