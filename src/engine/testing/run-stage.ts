import { NO_CHILD_RUNS } from '../child-runs-port.js';
import { Orchestrator } from '../orchestrator.js';
import { type CompiledPlaybook } from '../playbook/compiled.js';
import { type NewRun, type Unit, type UnitOutcome, type UnitSource } from '../ports.js';
import { type RunEvent } from '../run/events.js';
import { defineStep, type StepContext, type StepResult } from '../step-executor.js';
import { type Json } from '../values.js';
import { ManualClock } from './manual-clock.js';
import { MemoryRunStore } from './memory-run-store.js';
import { aRetry, aStep, anAction, compiled, to } from './playbook-builder.js';
import { newRun } from './scripted-run.js';
import { simulatedWorld } from './simulated-run.js';

/** Three attempts, the second after 10 s, the third after 20 s. */
export const RETRY = aRetry({ initialDelay: 10 });
const types = (events: readonly RunEvent[]): string[] =>
  events.map((event) => ('step' in event ? `${event.type} ${event.step}` : event.type));
/** Lets everything that waits for a microtask or a turn happen. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

interface Call extends StepContext {
  readonly settle: (outcome: Json | Error) => void;
}

/** One run, its store and its steps, all moved by hand. */
export class RunStage {
  readonly clock = new ManualClock();
  readonly calls: Call[] = [];
  readonly batches: (() => void)[] = [];
  readonly ends: string[] = [];
  readonly faults: unknown[] = [];
  readonly units: Unit[] = [];
  live = true;
  /** What is special about the run. */
  run: Partial<NewRun> = {};
  parkAfterMs: number | null = null;
  /** Outcomes instead of the store's own. */
  readonly script: UnitOutcome[] = [];
  /** So many times the inbox cannot be read. */
  unreadable = 0;
  readonly store = new MemoryRunStore(this.clock.now, (write) => this.batches.push(write));
  readonly playbook: CompiledPlaybook;

  constructor(playbook: CompiledPlaybook) {
    this.playbook = playbook;
  }

  static of(steps: Parameters<typeof compiled>[0], effect = true): RunStage {
    const stage: RunStage = new RunStage(compiled(steps));
    const kind = defineStep({
      kind: 'act',
      effect,
      defaultTimeoutSeconds: 30,
      parse: () => null,
      render: (_config, inputs) => inputs,
      execute: (_request, context) => stage.execute(context),
    });
    for (const step of stage.playbook.steps) {
      const performer = step.action?.performer;
      if (performer?.does === 'step') Object.assign(performer, { kind });
    }
    return stage;
  }

  private execute(context: StepContext): Promise<StepResult> {
    const { promise, resolve, reject } = Promise.withResolvers<StepResult>();
    const settle = (outcome: Json | Error): void => (outcome instanceof Error ? reject(outcome) : resolve({ value: outcome }));
    context.signal.addEventListener('abort', () => reject(new Error('aborted')));
    this.calls.push({ ...context, settle });
    return promise;
  }

  private readonly sources = new Map<UnitSource, UnitSource>();

  orchestrator(token = 'one', claimNo = 1): Orchestrator {
    const stored = this.store.read('1');
    const createdAt = this.clock.now();
    const history = stored && {
      snapshot: stored.snapshot,
      events: stored.events.slice(stored.snapshot?.seq ?? 0),
      lastSeq: stored.lastSeq,
      row: stored.row,
      inboxConsumed: stored.inboxConsumed,
      inboxSeq: stored.inboxSeq,
      createdAt,
      attempts: 0,
    };
    if (stored) this.store.claim('1', token);
    const announce = (source: UnitSource): void => this.store.announce(this.watched(source));
    return new Orchestrator({ run: newRun('1', { parameters: {}, ...this.run }), token, claimNo, history }, this.playbook, {
      store: {
        announce,
        readInbox: (tenant, id, after) =>
          this.unreadable-- > 0 ? Promise.reject(new Error('away')) : this.store.readInbox(tenant, id, after),
        expireApproval: (tenant, id, step, wave) => this.store.expireApproval(tenant, id, step, wave),
      },
      clock: this.clock,
      world: { ...simulatedWorld(), now: this.clock.now },
      facts: { env: {} },
      parkAfterMs: this.parkAfterMs,
      children: NO_CHILD_RUNS,
      tokenForCalled: () => null,
      holdsLease: () => this.live,
      admit: () => Promise.resolve(),
      over: (how) => this.ends.push(how),
      unheard: (error) => this.faults.push(error),
      fault: (error) => this.faults.push(error),
    });
  }

  private watched(source: UnitSource): UnitSource {
    const known = this.sources.get(source);
    if (known) return known;
    const watched: UnitSource = {
      runId: source.runId,
      takeUnit: () => {
        const unit = source.takeUnit();
        if (unit) this.units.push(unit);
        const scripted = unit && this.script.shift();
        if (!scripted) return unit;
        setImmediate(() => source.unitSettled(scripted));
        return null;
      },
      unitSettled: (outcome) => source.unitSettled(outcome),
    };
    this.sources.set(source, watched);
    return watched;
  }

  /** Commits what is announced now. */
  async commit(): Promise<void> {
    await turn();
    for (const write of this.batches.splice(0)) write();
    await turn();
  }

  get stored(): string[] {
    return types(this.store.read('1')?.events ?? []);
  }
}

/** An entry that acts, and the terminal step. */
export const oneAction = (overrides: Parameters<typeof anAction>[0] = {}): Parameters<typeof compiled>[0] => [
  aStep('start', { action: anAction(overrides), next: to('end') }),
  aStep('end'),
];
