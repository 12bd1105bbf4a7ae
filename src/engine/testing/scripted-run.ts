import { type EngineParent, type NewRun, type RowState, type RunStore, type Unit, type UnitOutcome, type UnitSource } from '../ports.js';
import { type RunEvent } from '../run/events.js';
import { runFault } from '../run-fault.js';

export const TEST_TENANT = 'default';

/** A start as the door makes it. */
export function newRun(id: string, changes: Partial<NewRun> = {}): NewRun {
  return {
    id,
    tenantId: TEST_TENANT,
    catalogId: '7',
    path: 'tests/scripted',
    playbookName: 'scripted',
    version: '1.0.0',
    shownVersion: '1.0.0',
    requestedVersion: 'latest',
    executionType: 'playbook',
    digest: 'd'.repeat(64),
    parameters: { region: 'eu' },
    merge: false,
    workload: null,
    metadata: {},
    parentExecutionId: null,
    parentEventId: null,
    parentStep: null,
    parent: null,
    forkedFrom: null,
    kept: [],
    priority: 0,
    startAt: null,
    expiresAt: null,
    timeoutAt: null,
    idempotency: null,
    ...changes,
  };
}

/** A run that another one calls from its step `call`. */
export function calledRun(id: string, { id: runId }: NewRun, changes: Partial<EngineParent> = {}): NewRun {
  const parent: EngineParent = { runId, step: 'call', wave: 1, item: null, depth: 1, lineage: ['d'.repeat(64)], ...changes };
  return newRun(id, { parentExecutionId: runId, parentEventId: `${runId}-1`, parentStep: parent.step, parent });
}

export const RUNNING: RowState = { status: 'running', progress: 10, currentStep: 'a', waitingFor: null, error: null };
export const COMPLETED: RowState = { status: 'completed', progress: 100, currentStep: null, waitingFor: null, error: null };
export const FAILED: RowState = { ...COMPLETED, status: 'failed', error: runFault('step_error', 'a failure', { step: 'a' }) };
export const CANCELLED: RowState = { ...COMPLETED, status: 'cancelled' };

export const stepEvent = (step: string, value: RunEvent | string = 'ok'): RunEvent =>
  typeof value === 'string'
    ? { type: 'step_completed', step, stepType: 'router', wave: 1, attempt: 1, edges: [], vars: null, saves: [], value, durationMs: 0 }
    : value;

/** A unit of a run that is there already, and does nothing but what is said. */
export const unitOf = (run: NewRun, changes: Partial<Unit>): Unit => ({
  runId: run.id,
  tenantId: run.tenantId,
  token: null,
  create: null,
  expectedSeq: 0,
  events: [],
  row: RUNNING,
  end: null,
  release: null,
  seenInbox: 0,
  recordsProgress: false,
  snapshot: null,
  children: [],
  parent: run.parent,
  ...changes,
});

/** A run that writes what a test says, unit by unit, and numbers its events as a holder does. */
export class ScriptedRun implements UnitSource {
  readonly runId: string;
  lastSeq = 0;
  /** Times the store asked for a unit. */
  taken = 0;
  private readonly queue: { unit: () => Unit; settled: (outcome: UnitOutcome) => void }[] = [];
  private inFlight: { unit: Unit; settled: (outcome: UnitOutcome) => void } | null = null;

  constructor(
    private readonly store: RunStore,
    readonly run: NewRun,
    readonly token: string | null,
  ) {
    this.runId = run.id;
  }

  /** Announces a unit; resolves with its outcome. */
  write(changes: Partial<Unit>): Promise<UnitOutcome> {
    return new Promise((settled) => {
      const unit = (): Unit => unitOf(this.run, { token: this.token, expectedSeq: this.lastSeq, ...changes });
      this.queue.push({ unit, settled });
      this.store.announce(this);
    });
  }

  create(changes: Partial<Unit> = {}): Promise<UnitOutcome> {
    return this.write({ create: this.run, events: [{ type: 'execution_started' }], ...changes });
  }

  takeUnit(): Unit | null {
    this.taken += 1;
    if (this.inFlight !== null) throw new Error('a unit of this run is in flight');
    const next = this.queue.shift();
    if (next === undefined) return null;
    this.inFlight = { unit: next.unit(), settled: next.settled };
    return this.inFlight.unit;
  }

  unitSettled(outcome: UnitOutcome): void {
    const settled = this.inFlight;
    if (settled === null) throw new Error('no unit of this run is in flight');
    this.inFlight = null;
    if (outcome.kind === 'committed') this.lastSeq += settled.unit.events.length;
    if (this.queue.length > 0) this.store.announce(this);
    settled.settled(outcome);
  }
}
