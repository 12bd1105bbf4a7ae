import { compilePlaybook } from '../playbook/compile.js';
import { parsePlaybook } from '../playbook/parse-playbook.js';
import { type StepKind, type StepKinds } from '../step-executor.js';
import { TEST_KINDS } from '../testing/playbook-builder.js';
import { type SimulatedRun, simulateRun } from '../testing/simulated-run.js';
import { withoutRenderer } from '../testing/without-renderer.js';
import { type Json, type JsonObject } from '../values.js';
import { foldEvents } from './apply.js';
import { type AttemptOutcome, type Perform, type Stimulus } from './decision.js';
import { keptForRetry } from './kept-history.js';
import { decodeState, encodeState } from './snapshot.js';

const KINDS: StepKinds = new Map([['mcp', { ...(TEST_KINDS.get('act') as StepKind), kind: 'mcp', mayAsk: true }]]);
const HEAD = 'apiVersion: noetl.io/v1\nmetadata: { name: a, path: a }\nworkflow:\n';
const ASKS = `
  - { step: start, next: [call] }
  - { step: call, type: mcp, server: s, tool: t, retry: { max_attempts: 2, initial_delay: 0 }, next: [end] }
  - { step: end, result: "{{ call }}" }
`;
const compiled = (steps: string) => compilePlaybook(parsePlaybook(HEAD + steps).playbook!, KINDS);
const requests: JsonObject = { name: { method: 'elicitation/create', params: { message: '?', requestedSchema: { type: 'object' } } } };
const signal = (payload: Json, wave = 1): Stimulus => ({ kind: 'signal', name: 'call', payload, wave });
const asks = (state: Json): AttemptOutcome => ({ ok: true, result: { value: null, asks: { requests, state } } });
const value = (given: Json): AttemptOutcome => ({ ok: true, result: { value: given } });

/** Runs it; what an attempt comes to is told by what was answered before, and these stimuli come once it waits. */
function told(steps: string, outcome: (perform: Perform) => AttemptOutcome, stimuli: readonly Stimulus[]): SimulatedRun {
  const left = [...stimuli];
  return simulateRun(compiled(steps), {
    outcome: (_step, perform) => outcome(perform),
    interrupt: (state) => ([...state.running.values()].some(({ waitsFor }) => waitsFor !== null) ? (left.shift() ?? null) : null),
  });
}
const typesOf = ({ events }: SimulatedRun): string[] => events.map(({ type }) => type);

describe('actions that ask', () => {
  const rounds = (perform: Perform): AttemptOutcome =>
    perform.answered === null
      ? asks('one')
      : perform.answered.round === 1
        ? asks(['two', perform.answered as unknown as Json])
        : value(perform.answered as unknown as Json);

  it('wait for answers, and are performed again with them and with their state, as their history tells too', () => {
    const run = told(ASKS, rounds, [signal('a'), signal('b')]);
    expect(run.result).toEqual({ state: ['two', { state: 'one', answers: 'a', round: 1 }], answers: 'b', round: 2 });
    expect(typesOf(run).filter((type) => type.startsWith('step_') || type.startsWith('action'))).toEqual([
      ...['step_completed', 'step_started', 'step_waiting', 'step_woken', 'step_waiting', 'step_woken', 'step_completed', 'step_completed'],
    ]);
    const playbook = compiled(ASKS);
    for (let length = 1; length < run.events.length; length += 1) {
      // Whoever takes it over at any point stands where its holder stood, with a snapshot or without one.
      const folded = foldEvents(withoutRenderer(playbook), {}, run.events.slice(0, length));
      expect(decodeState(playbook, {}, JSON.parse(encodeState(folded)!) as Json)).toEqual(folded);
    }
    expect(JSON.stringify(foldEvents(withoutRenderer(playbook), {}, run.events.slice(0, -1)))).toBe(JSON.stringify(run.state));
  });

  it('take the first answer to a question; what comes twice, or before it is asked, is none', () => {
    const run = told(ASKS, (perform) => (perform.answered === null ? asks(null) : value(perform.answered.answers)), [
      signal('first'),
      signal('late'),
    ]);
    expect(run.result).toBe('first');
    const early = simulateRun(compiled(ASKS), {
      outcome: (_step, perform) => (perform.answered === null ? asks(null) : value(perform.answered.answers)),
      interrupt: (state, events) => {
        if (state.running.size === 0) return null;
        const heard = events.filter(({ type }) => type === 'signal_received').length;
        const waits = events.some(({ type }) => type === 'step_waiting');
        return heard === 0 ? signal('early') : heard === 1 && waits ? signal('asked') : null;
      },
    });
    expect(early.result).toBe('asked');
  });

  it('are cancelled like any wait, and begun anew by a retry of the execution', () => {
    const cancelled = told(ASKS, () => asks('s'), [{ kind: 'cancel', reason: null, force: false }]);
    expect(cancelled.terminal.type).toBe('execution_cancelled');
    const kept = keptForRetry(cancelled.events);
    expect(kept.some((event) => 'step' in event && event.step === 'call')).toBe(false);
  });

  it('ask sixteen times at most', () => {
    const run = told(
      ASKS,
      () => asks('s'),
      Array.from({ length: 40 }, () => signal('x')),
    );
    expect(run.terminal).toMatchObject({ type: 'execution_failed', error: { code: 'tool_needs_input' } });
    expect(typesOf(run).filter((type) => type === 'step_waiting')).toHaveLength(16);
  });

  it('whose step has the name of a signal that is waited for cannot: what came would be taken for the other', () => {
    const both = `
  - { step: start, next: [call, other] }
  - { step: call, type: mcp, server: s, tool: t, next: [end] }
  - { step: other, type: wait_for, signal: call, next: [end] }
  - { step: end }
`;
    expect([...compiled(both).inputs]).toEqual([]);
    expect([...compiled(ASKS).inputs]).toEqual(['call']);
  });
});
