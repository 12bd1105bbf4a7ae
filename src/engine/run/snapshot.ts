import { type CompiledPlaybook } from '../playbook/compiled.js';
import { type RunHistory, type RunSnapshot } from '../ports.js';
import { type Json, type JsonObject } from '../values.js';
import { applyEvent } from './apply.js';
import { type Codec, type Fields, JsonText, mapOf, optional, PLAIN, record, sparseList, TooLong } from './field-codecs.js';
import { type ArmedStep, type Firing, newRunState, type RunState, type SettledStep } from './run-state.js';

/** A snapshot is taken with the first unit that is so many events past the one before (D25). */
export const SNAPSHOT_EVERY = 400;
/** Characters of JSON; a larger state is not kept, its run is folded from all its events. */
export const LONGEST_SNAPSHOT = 4 * 1024 * 1024;

/**
 * To be raised where the same JSON comes to mean something else: `applyEvent` fills a field otherwise, or `compile` numbers steps otherwise.
 * Fields that are added, removed or nested otherwise change the shape, and need nothing.
 */
const STATE_VERSION = 4;

/** These follow from the playbook and the workload, which are stored once. */
type Derived = 'workload' | 'override';

const SETTLED: Fields<SettledStep> = { wave: PLAIN, status: PLAIN, value: PLAIN, error: PLAIN, meta: PLAIN, isLeaf: PLAIN, seq: PLAIN };
const ARMED: Fields<ArmedStep> = { step: PLAIN, arrivals: PLAIN, isSkipped: PLAIN };
const FIRING: Fields<Firing> = {
  step: PLAIN,
  wave: PLAIN,
  attempt: PLAIN,
  inputs: PLAIN,
  request: PLAIN,
  timeoutMs: PLAIN,
  timeoutAt: PLAIN,
  arrivedFrom: PLAIN,
  arrivedError: PLAIN,
  waitsFor: PLAIN,
  approval: PLAIN,
  dueAt: PLAIN,
  parkedSince: PLAIN,
  parts: PLAIN,
  acted: PLAIN,
  asked: PLAIN,
  answered: PLAIN,
  share: PLAIN,
  isHeld: PLAIN,
  lateFor: PLAIN,
  isLost: PLAIN,
  undoes: PLAIN,
};
const STATE: Codec<Omit<RunState, Derived>> = record<Omit<RunState, Derived>>({
  status: PLAIN,
  seq: PLAIN,
  requesters: PLAIN,
  settled: sparseList(record(SETTLED)),
  fired: PLAIN,
  firedInAll: PLAIN,
  itemEvents: PLAIN,
  armed: mapOf<number, ArmedStep>(record(ARMED)),
  running: mapOf<number, Firing>(record(FIRING)),
  vars: PLAIN,
  variables: PLAIN,
  failure: PLAIN,
  otherFailures: PLAIN,
  cancel: PLAIN,
  pause: PLAIN,
  undoable: PLAIN,
  failedUndos: PLAIN,
  isCompensating: PLAIN,
  sealed: PLAIN,
  signals: mapOf<string, Json[]>(PLAIN as Codec<Json[]>),
  reportedPercent: PLAIN,
  currentStep: PLAIN,
  lastSteps: PLAIN,
  terminalRan: PLAIN,
  terminalResult: optional<Json>(PLAIN as Codec<Json>),
});

/** Names the form and meaning of a snapshot: stores tag each with it, and offer none with another tag. */
export const SNAPSHOT_FORM = `${STATE_VERSION} ${STATE.shape}`;

/** The state as JSON text; null where it is too long to be kept. */
export function encodeState(state: RunState, limit = LONGEST_SNAPSHOT): string | null {
  const text = new JsonText(limit);
  try {
    STATE.write(state, text);
    return text.toString();
  } catch (error) {
    if (error instanceof TooLong) return null;
    throw error;
  }
}

/** The state that `encodeState` wrote; it shares nothing with it. */
export function decodeState(playbook: CompiledPlaybook, workload: JsonObject, json: Json): RunState {
  return { ...newRunState(playbook, workload), ...STATE.read(json) };
}

/** The state a history leads to: from its snapshot where it has one, else from its first event. */
export function foldHistory(playbook: CompiledPlaybook, workload: JsonObject, history: Pick<RunHistory, 'snapshot' | 'events'>): RunState {
  const { snapshot, events } = history;
  const state = snapshot ? decodeState(playbook, workload, snapshot.state) : newRunState(playbook, workload);
  for (const event of events) applyEvent(state, playbook, event);
  return state;
}

/** The cancel that was heard before a snapshot: for who ends a run whose playbook cannot be compiled. */
export const cancelIn = ({ state }: RunSnapshot): RunState['cancel'] => STATE.read(state).cancel;
