import { type ApprovalTaken, type ApprovalWord } from '../approvals.js';
import { compilePlaybook } from '../playbook/compile.js';
import { parsePlaybook } from '../playbook/parse-playbook.js';
import { type NewRun } from '../ports.js';
import { TEST_KINDS } from '../testing/playbook-builder.js';
import { newRun } from '../testing/scripted-run.js';
import { type SimulatedRun, simulateRun } from '../testing/simulated-run.js';
import { withoutRenderer } from '../testing/without-renderer.js';
import { foldEvents } from './apply.js';
import { type Stimulus } from './decision.js';
import { keptForRetry } from './kept-history.js';
import { waitOf } from './schedule.js';
import { decodeState, encodeState } from './snapshot.js';
import { unitApprovals } from './unit-approvals.js';

const HEAD = 'apiVersion: noetl.io/v1\nmetadata: { name: a, path: a }\nworkflow:\n';
const compiled = (steps: string) => compilePlaybook(parsePlaybook(HEAD + steps).playbook!, TEST_KINDS);
const ASK = `
  - step: start
    type: approval
    title: "For {{ workload.who }}"
    approvers: { scopes: [finance], subjects: "{{ workload.subjects | default([]) }}" }
    quorum: 2
    data: { of: "{{ workload.who }}" }
    form: { type: object }
    MORE
    next: [{ step: end, data: { decision: "{{ start.decision }}", by: "{{ start.decisions | length }}", data: "{{ start.data }}" } }]
  - { step: end }
`;
const ask = (more = ''): string => ASK.replace('    MORE\n', more);
const taken = (by: string, outcome: ApprovalTaken['outcome'] = null, decision: ApprovalWord = 'approve', wave = 1): Stimulus => ({
  kind: 'approval',
  taken: {
    approval_id: '7',
    step: 'start',
    wave,
    decision: { by, decision, comment: null, data: decision === 'approve' ? { from: by } : null, at: '2031-01-01T00:00:00.000Z' },
    outcome,
  },
});
/** Runs it, telling it these one after the other, each once it waits. */
const told = (steps: string, stimuli: readonly Stimulus[], options: Parameters<typeof simulateRun>[1] = {}): SimulatedRun => {
  const left = [...stimuli];
  return simulateRun(compiled(steps), { ...options, interrupt: (state) => (state.running.size > 0 ? (left.shift() ?? null) : null) });
};
const typesOf = ({ events }: SimulatedRun): string[] => events.map(({ type }) => type);

describe('approval steps', () => {
  it('record what they ask and every decision; a fold needs nothing else', () => {
    const run = told(ask(), [taken('ann'), taken('carl', 'approved')], { parameters: { who: 'Ann' } });
    expect(typesOf(run)).toEqual([
      'execution_started',
      'step_waiting',
      'approval_decided',
      'approval_decided',
      'step_completed',
      'step_completed',
      'execution_completed',
    ]);
    expect(run.events[1]).toMatchObject({
      stepType: 'approval',
      dueAt: null,
      waitsFor: {
        kind: 'approval',
        name: 'start',
        approval: { title: 'For Ann', message: null, data: { of: 'Ann' }, approvers: { scopes: ['finance'], subjects: [] }, quorum: 2 },
      },
    });
    expect(run.result).toEqual({ decision: 'approved', by: 2, data: { from: 'carl' } });
    const playbook = compiled(ask());
    const before = run.events.slice(0, 3);
    const folded = foldEvents(withoutRenderer(playbook), { who: 'Ann' }, before);
    expect(folded.running.get(0)?.approval).toMatchObject({ decisions: [{ by: 'ann' }], outcome: null });
    expect(decodeState(playbook, { who: 'Ann' }, JSON.parse(encodeState(folded)!))).toEqual(folded);
    const id = run.events[1]!.type === 'step_waiting' ? run.events[1]!.waitsFor.approval!.id : '';
    expect(waitOf(folded, playbook, () => null, 0)).toMatchObject({ kind: 'approval', name: 'start', approvalId: id });
  });

  it.each([
    ['fail', '', 'execution_failed', undefined],
    ['go on', '    on_error: continue\n', 'execution_completed', null],
    [
      'lead to a handler',
      '    on_error: { step: end, data: { code: "{{ error.code }}" } }\n',
      'execution_completed',
      { code: 'approval_rejected' },
    ],
  ])('that are rejected %s', (_name, more, type, result) => {
    const run = told(ask(more), [taken('ann'), taken('carl', 'rejected', 'reject')], { parameters: { who: 'Ann' } });
    expect(run.terminal.type).toBe(type);
    if (type === 'execution_failed')
      expect(run.terminal).toMatchObject({ error: { code: 'approval_rejected', message: 'carl rejected it.' } });
    if (result) expect(run.result).toEqual(result);
  });

  it('end by their time only where the store says so, and record who came too late', () => {
    const late = told(ask('    expires_in: 5s\n    on_timeout: { step: end, data: { late: "{{ error.code }}" } }\n'), [], {
      parameters: { who: 'A' },
    });
    expect(typesOf(late)).toContain('step_timed_out');
    expect(late.result).toEqual({ late: 'approval_expired' });
    const steps = `${ask('    expires_in: 5s\n    on_error: { step: hold }\n')}`.replace(
      '  - { step: end }',
      '  - { step: hold, type: wait_for, name: go, next: end }\n  - { step: end }',
    );
    const expired: Stimulus = { kind: 'approval_expired', step: 0, wave: 1 };
    const run = told(steps, [taken('ann'), expired, taken('carl'), { kind: 'signal', name: 'go', payload: 1 }], {
      parameters: { who: 'A' },
    });
    expect(run.terminal.type).toBe('execution_completed');
    expect(typesOf(run).filter((type) => type === 'approval_decided')).toHaveLength(2);
    expect(run.state.settled[0]).toMatchObject({ status: 'error' });
  });

  it('that are decided while the execution is paused go on when it is resumed', () => {
    const expired: Stimulus = { kind: 'approval_expired', step: 0, wave: 1 };
    const stimuli: Stimulus[] = [{ kind: 'pause', reason: null }, taken('ann'), taken('carl', 'approved'), expired, { kind: 'resume' }];
    const run = told(ask('    expires_in: 5s\n'), stimuli, { parameters: { who: 'A' } });
    expect(typesOf(run).slice(-6)).toEqual([
      'approval_decided',
      'approval_decided',
      'execution_resumed',
      'step_completed',
      'step_completed',
      'execution_completed',
    ]);
  });

  it('fail where those who started the execution are all that could approve', () => {
    const steps = ask().replace('scopes: [finance], ', '');
    const failed = simulateRun(compiled(steps), { parameters: { who: 'A', subjects: ['ann', 'bob', 'bob'] }, requesters: ['bob'] });
    expect(failed.terminal).toMatchObject({
      error: { code: 'invalid_value', message: expect.stringContaining('names 1 besides') as string },
    });
    expect(failed.events[0]).toEqual({ type: 'execution_started', requesters: ['bob'] });
    const asked = told(steps, [taken('ann', 'approved')], { parameters: { who: 'A', subjects: ['ann', 'carl'] }, requesters: ['bob'] });
    expect(asked.terminal.type).toBe('execution_completed');
  });
});

describe(unitApprovals.name, () => {
  const playbook = compiled(ask());
  const run: NewRun = newRun('1', { path: 'a', shownVersion: 'v1' });
  const parameters = { who: 'Ann' };
  const { events, state } = told(ask(), [taken('ann'), taken('carl', 'approved')], { parameters });
  const waiting = events.slice(0, 2);

  it('opens what begins to wait, with the form of the document', () => {
    expect(unitApprovals(playbook, run, { ...state, requesters: ['bob'] }, waiting, false)).toEqual({
      opens: [
        expect.objectContaining({
          step: 'start',
          wave: 1,
          path: 'a',
          version: 'v1',
          form: { type: 'object' },
          requesters: ['bob'],
          expiresAt: null,
        }),
      ],
      closes: [],
      closesAll: false,
    });
  });

  it('opens nothing that is over in the same unit, as in the history that a retry goes on from', () => {
    expect(unitApprovals(playbook, run, state, keptForRetry(events), false)).toBeUndefined();
    expect(keptForRetry(events).map(({ type }) => type)).toContain('approval_decided');
  });

  it('closes what was skipped, and with the end everything', () => {
    const skipped = { type: 'step_skipped', step: 'start', stepType: 'approval', wave: 1, reason: 'cancelled' } as const;
    expect(unitApprovals(playbook, run, state, [skipped], false)).toEqual({
      opens: [],
      closes: [{ step: 'start', wave: 1 }],
      closesAll: false,
    });
    expect(unitApprovals(playbook, run, state, [...waiting, skipped], false)).toBeUndefined();
    expect(unitApprovals(playbook, run, state, events, true)).toEqual({ opens: [], closes: [], closesAll: true });
    expect(unitApprovals(compiled('  - { step: start }\n'), run, state, [skipped], true)).toBeUndefined();
  });
});
