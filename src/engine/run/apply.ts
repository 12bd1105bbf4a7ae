import { isSealed, sealedRequest } from '../auth/sealed-request.js';
import { type CompiledPlaybook, type CompiledStep } from '../playbook/compiled.js';
import { type Json, type JsonObject } from '../values.js';
import { cancelOf } from './cancel.js';
import { diagnosticsOf } from './diagnostics.js';
import { type RunEvent, type SaveOutcome, type TakenEdge } from './events.js';
import { isComplete, isCounting, type Left, lateForOf, leavesNow, passJoin, reaches } from './join-counts.js';
import { newPart, partAt, type PartRecord, partsForRetry, startLoop, startParts, stopItems, stopParts } from './parts.js';
import { publishedBy } from './saves.js';
import { endUndo, rememberUndo, skipUndos, startUndo } from './undoing.js';
import { type ArmedStep, type Arrival, type Firing, newRunState, type RunState, type SettledStep } from './run-state.js';

/**
 * Folds one event into the state. Renders nothing and reads neither clock nor randomness: everything that a decision
 * used is in the event, so replaying a history gives the state the run had when it lived.
 */
export function applyEvent(state: RunState, playbook: CompiledPlaybook, event: RunEvent): void {
  state.seq += 1;
  switch (event.type) {
    case 'execution_started':
      state.status = 'running';
      state.requesters = event.requesters ?? [];
      arm(state, state.override ? playbook.byName.get(state.override[0]!)! : playbook.entry, { from: -1, data: {}, error: null });
      return;
    case 'step_started':
      rememberSealed(state, event.request);
      fire(
        state,
        playbook,
        event,
        { request: event.request, timeoutMs: event.timeoutMs ?? null, timeoutAt: event.timeoutAt ?? null },
        null,
      );
      return;
    case 'step_waiting':
      if (event.asked) return ask(state, playbook, event);
      fire(state, playbook, event, { request: null, timeoutMs: null, timeoutAt: null }, event);
      return;
    case 'step_woken': {
      const firing = state.running.get(playbook.byName.get(event.step)!.index)!;
      if (event.reason === 'retry') return void Object.assign(firing, { dueAt: null, timeoutAt: event.timeoutAt ?? firing.timeoutAt });
      if (firing.asked) return takeAnswers(state, firing, firing.waitsFor!.name!);
      if (event.reason === 'signal') takeSignal(state, firing.waitsFor!.name!);
      return;
    }
    case 'signal_received': {
      if (playbook.inputs.has(event.name) && !isAsked(state, playbook, event)) return;
      const waiting = state.signals.get(event.name);
      if (waiting) waiting.push(event.payload);
      else state.signals.set(event.name, [event.payload]);
      return;
    }
    case 'approval_decided': {
      const firing = state.running.get(playbook.byName.get(event.step)!.index);
      // One that came after the end of the wait is in the history, and changes nothing.
      if (firing?.wave !== event.wave || !firing.approval) return;
      const { by, decision, comment, data, at, outcome } = event;
      firing.approval = { decisions: [...firing.approval.decisions, { by, decision, comment, data, at }], outcome };
      return;
    }
    case 'step_progress':
      if (event.ofAction) return reported(state, playbook, event);
      // What one item of a loop says of itself is not about the whole.
      if (event.total !== null && event.path === undefined) state.reportedPercent = Math.floor((100 * event.progress) / event.total);
      return;
    case 'step_log':
      return;
    case 'action_started':
      state.itemEvents += 1;
      for (const { request } of event.parts) rememberSealed(state, request);
      return startParts(partsOf(state, playbook, event), event.parts);
    case 'action_completed':
      state.itemEvents += 1;
      return stopParts(partsOf(state, playbook, event), event.parts);
    case 'action_acted': {
      const firing = state.running.get(playbook.byName.get(event.step)!.index)!;
      dropAnswers(state, firing, event.step);
      Object.assign(firing, { acted: event.acted, waitsFor: null, approval: null, dueAt: null });
      return;
    }
    case 'loop_started':
      if (event.path !== '') state.itemEvents += 1;
      return startLoop(partsOf(state, playbook, event), event.path, event.items);
    case 'loop_iteration':
      state.itemEvents += 1;
      return stopItems(partsOf(state, playbook, event), event.path, event.items);
    case 'child_started':
      if (event.path !== '') state.itemEvents += 1;
      partAt(partsOf(state, playbook, event), event.path).child = {
        id: event.childId,
        path: event.childPath,
        version: event.childVersion,
        ended: null,
      };
      return;
    case 'child_completed': {
      if (event.path !== '') state.itemEvents += 1;
      const { status, error, value } = event;
      partAt(partsOf(state, playbook, event), event.path).child!.ended = { status, error, result: value === undefined ? null : { value } };
      return;
    }
    case 'action_held':
      Object.assign(state.running.get(playbook.byName.get(event.step)!.index)!, { isHeld: true, dueAt: null });
      return;
    case 'action_retry': {
      const firing = state.running.get(playbook.byName.get(event.step)!.index)!;
      if (event.path !== undefined) {
        state.itemEvents += 1;
        Object.assign(partAt(firing.parts!, event.path), { attempt: event.attempt + 1, dueAt: event.dueAt });
        return;
      }
      firing.parts = partsForRetry(firing.parts);
      if (firing.timeoutAt !== null) firing.timeoutAt = event.dueAt + firing.timeoutMs!;
      firing.attempt = event.attempt + 1;
      firing.dueAt = event.dueAt;
      firing.parkedSince = event.dueAt - event.delayMs;
      return;
    }
    case 'step_completed': {
      const step = playbook.byName.get(event.step)!;
      rememberUndo(state, step, event);
      const left = leave(state, playbook, step, event.wave);
      state.settled[step.index] = {
        wave: event.wave,
        status: event.error ? 'error' : event.passed ? 'skipped' : 'success',
        value: event.value,
        error: event.error?.message ?? null,
        meta: diagnosticsOf(event),
        // An edge to a terminal step that has run leads nowhere.
        isLeaf: event.edges.every(({ to }) => state.terminalRan && to === playbook.terminal?.name),
        seq: state.seq,
      };
      publish(state, event.vars, event.saves);
      if (step === playbook.terminal) {
        state.lastSteps = [...new Set(left.arrivedFrom)].filter((from) => from >= 0).sort((a, b) => a - b);
        if (!event.bareEnd) state.terminalResult = event.value;
      }
      takeEdges(state, playbook, left, event.edges, null);
      return;
    }
    case 'step_failed': {
      const step = playbook.byName.get(event.step)!;
      rememberUndo(state, step, event);
      const left = leave(state, playbook, step, event.wave);
      state.settled[step.index] = failed(state, event);
      publish(state, event.vars, event.saves);
      if (event.handled) takeEdges(state, playbook, left, event.edges, event.error);
      else if (state.failure) state.otherFailures.push(event.error);
      else state.failure = event.error;
      return;
    }
    case 'step_timed_out': {
      const step = playbook.byName.get(event.step)!;
      const left = leave(state, playbook, step, event.wave);
      state.settled[step.index] = failed(state, event);
      publish(state, event.vars, event.saves);
      takeEdges(state, playbook, left, event.edges, event.error);
      return;
    }
    case 'step_skipped': {
      const step = playbook.byName.get(event.step)!;
      rememberUndo(state, step, event);
      // A step may run one wave while the next is armed: only the wave that is named is skipped.
      if (state.running.get(step.index)?.wave === event.wave) state.running.delete(step.index);
      else if (event.reason === 'join') {
        state.armed.delete(step.index);
        // Behind a join the run goes on: when the step fires again, that is another wave.
        state.fired[step.index] = event.wave;
      } else {
        const armed = state.armed.get(step.index);
        if (armed) armed.isSkipped = true;
      }
      return;
    }
    case 'compensation_started': {
      rememberSealed(state, event.request);
      return startUndo(state, playbook.byName.get(event.step)!, event);
    }
    case 'compensation_completed':
      return endUndo(state, playbook.byName.get(event.step)!, event.wave);
    case 'compensation_failed': {
      const { code, message } = event.error;
      const step = playbook.byName.get(event.step)!;
      state.failedUndos.push({ step: playbook.steps[step.undoes!]!.name, wave: event.wave, code, message });
      return endUndo(state, step, event.wave);
    }
    case 'compensation_skipped':
      return skipUndos(state);
    case 'cancel_requested':
      state.cancel = cancelOf(event);
      return;
    case 'pause_requested':
      // What undoes is not held up.
      if (!state.isCompensating) state.pause = 'requested';
      return;
    case 'execution_paused':
      state.pause = 'paused';
      state.status = 'paused';
      return;
    case 'execution_resumed':
      state.pause = 'none';
      state.status = 'running';
      for (const firing of state.running.values()) firing.isHeld = false;
      return;
    case 'execution_failing':
      if (state.failure) state.otherFailures.push(event.error);
      else state.failure = event.error;
      return;
    case 'execution_completed':
      state.status = 'completed';
      return;
    case 'execution_failed':
      state.status = 'failed';
      state.failure ??= event.error;
      state.armed.clear();
      state.running.clear();
      return;
    case 'execution_cancelled':
      state.status = 'cancelled';
      state.armed.clear();
      state.running.clear();
      return;
  }
}

/** The state a history leads to. */
export function foldEvents(playbook: CompiledPlaybook, workload: JsonObject, events: readonly RunEvent[]): RunState {
  const state = newRunState(playbook, workload);
  for (const event of events) applyEvent(state, playbook, event);
  return state;
}

function arm(state: RunState, step: CompiledStep, arrival: Arrival): void {
  const armed = state.armed.get(step.index);
  if (armed) armed.arrivals.push(arrival);
  else state.armed.set(step.index, { step: step.index, arrivals: [arrival], isSkipped: false });
}

/** A step fires and does not settle at once: it acts, or it waits. */
function fire(
  state: RunState,
  playbook: CompiledPlaybook,
  { step: name, wave, attempt, inputs }: Extract<RunEvent, { type: 'step_started' | 'step_waiting' }>,
  action: Pick<Firing, 'request' | 'timeoutMs' | 'timeoutAt'>,
  wait: Extract<RunEvent, { type: 'step_waiting' }> | null,
): void {
  const step = playbook.byName.get(name)!;
  const arrived = disarm(state, playbook, step);
  begin(state, playbook, step, wave);
  state.running.set(step.index, {
    step: step.index,
    wave,
    attempt,
    inputs,
    ...action,
    ...arrivalOf(arrived),
    waitsFor: wait?.waitsFor ?? null,
    approval: wait?.waitsFor.kind === 'approval' ? { decisions: [], outcome: null } : null,
    dueAt: wait?.dueAt ?? null,
    parkedSince: wait?.since ?? null,
    parts: null,
    acted: null,
    asked: null,
    answered: null,
    share: 0,
    isHeld: false,
    lateFor: lateForOf(arrived?.arrivals),
    isLost: false,
    undoes: null,
  });
}

/** An action that is under way waits for answers. */
function ask(state: RunState, playbook: CompiledPlaybook, event: Extract<RunEvent, { type: 'step_waiting' }>): void {
  const { waitsFor, dueAt, since, asked } = event;
  Object.assign(state.running.get(playbook.byName.get(event.step)!.index)!, { waitsFor, dueAt, parkedSince: since, asked });
}

/** The action goes on with the first answers that came; what else came is an answer to nothing. */
function takeAnswers(state: RunState, firing: Firing, name: string): void {
  const answers = state.signals.get(name)?.[0] ?? null;
  const round = (firing.answered?.round ?? 0) + 1;
  state.signals.delete(name);
  Object.assign(firing, { answered: { ...firing.asked!, answers, round }, asked: null, waitsFor: null, dueAt: null, parkedSince: null });
}

/** The parts of a firing's action; from the first record of them on there are some. */
function partsOf(state: RunState, playbook: CompiledPlaybook, event: { readonly step: string }): PartRecord {
  const firing = state.running.get(playbook.byName.get(event.step)!.index)!;
  // Something of it is under way again.
  firing.dueAt = null;
  return (firing.parts ??= newPart());
}

/** More different ones than this are not kept in mind; each holds a few names. */
const MOST_SEALED = 200;

function rememberSealed(state: RunState, request: Json): void {
  if (!isSealed(request) || state.sealed.length >= MOST_SEALED) return;
  const { credentials, references, nonce } = request.$auth;
  const whole = JSON.stringify([credentials, references]);
  const texts = nonce === '' ? whole : whole.replaceAll(nonce, '');
  const isKnown = state.sealed.some((each) => isSealed(each) && each.request === texts);
  // In place of the request stands what tells one from another.
  if (!isKnown) state.sealed.push(sealedRequest(request.$auth, texts));
}

/** What a firing keeps of its arrivals. */
function arrivalOf(armed: ArmedStep | undefined): Pick<Firing, 'arrivedFrom' | 'arrivedError'> {
  const arrivals = armed?.arrivals ?? [];
  return {
    arrivedFrom: arrivals.map((arrival) => arrival.from),
    arrivedError: arrivals.find((arrival) => arrival.error !== null)?.error ?? null,
  };
}

/** Answers belong to the firing that asked: what comes before or after it is kept for none. */
function isAsked(state: RunState, playbook: CompiledPlaybook, { name, wave }: Extract<RunEvent, { type: 'signal_received' }>): boolean {
  const firing = state.running.get(playbook.byName.get(name)!.index);
  return firing?.waitsFor?.kind === 'input' && (wave === undefined || wave === firing.wave);
}

/** The oldest signal of the name goes to the step that was woken by it. */
function takeSignal(state: RunState, name: string): void {
  const waiting = state.signals.get(name);
  waiting?.shift();
  if (waiting?.length === 0) state.signals.delete(name);
}

/** A step fires: what had arrived is its own, and of what still may some is lost where it is a join that does not wait for all. */
function disarm(state: RunState, playbook: CompiledPlaybook, step: CompiledStep): ArmedStep | undefined {
  const armed = state.armed.get(step.index);
  const isJoined = isCounting(state, step) && isComplete(state, step);
  state.armed.delete(step.index);
  if (isJoined) passJoin(state, playbook, step);
  return armed;
}

function begin(state: RunState, playbook: CompiledPlaybook, step: CompiledStep, wave: number): void {
  if (step === playbook.terminal) state.terminalRan = true;
  state.fired[step.index] = wave;
  state.firedInAll += 1;
  state.currentStep = step.name;
}

/** The wait of a firing is over. The first answer counted: what else came for it answers none to come. */
function dropAnswers(state: RunState, { waitsFor }: Firing, step: string): void {
  if (waitsFor?.kind === 'input') state.signals.delete(step);
}

/** A step settles: it was running, or fires and settles in one event. */
function leave(state: RunState, playbook: CompiledPlaybook, step: CompiledStep, wave: number): Left {
  const firing = state.running.get(step.index);
  if (firing) {
    state.running.delete(step.index);
    dropAnswers(state, firing, step.name);
    return firing;
  }
  const armed = disarm(state, playbook, step);
  begin(state, playbook, step, wave);
  return leavesNow(step.index, armed?.arrivals ?? []);
}

function publish(state: RunState, vars: JsonObject | null, saves: readonly SaveOutcome[]): void {
  if (vars) Object.assign(state.vars, vars);
  Object.assign(state.variables, publishedBy(saves));
}

function takeEdges(state: RunState, playbook: CompiledPlaybook, left: Left, edges: readonly TakenEdge[], error: Arrival['error']): void {
  for (const { to, data } of edges) {
    const target = playbook.byName.get(to)!;
    // The terminal step runs once: where its own failure is handled, no way leads back to it.
    if (target === playbook.terminal && state.terminalRan) continue;
    const lateFor = reaches(left, target);
    if (lateFor !== null) arm(state, target, { from: left.step, data, error, ...(lateFor.length > 0 ? { lateFor } : {}) });
  }
}

/** A step that ended without a value. */
function failed({ seq }: RunState, { wave, error }: Extract<RunEvent, { type: 'step_failed' | 'step_timed_out' }>): SettledStep {
  return { wave, status: 'error', value: null, error: error.message, meta: null, isLeaf: false, seq };
}

/** What an action says of itself is about its step, not about the whole; however much it says, no execution fails for it. */
function reported(state: RunState, playbook: CompiledPlaybook, event: Extract<RunEvent, { type: 'step_progress' }>): void {
  state.itemEvents += 1;
  const firing = state.running.get(playbook.byName.get(event.step)!.index);
  if (firing && event.total !== null && event.path === undefined) firing.share = event.progress / event.total;
}
