import { type ChildCall, type ChildRuns } from '../child-runs-port.js';
import { EngineError } from '../engine-error.js';
import { Orchestrator } from '../orchestrator.js';
import { type CompiledAction, type CompiledPlaybook } from '../playbook/compiled.js';
import { type ChildEnded, type InboxMessage, type NewRun, type RunStore, type UnitOutcome, type UnitSource } from '../ports.js';
import { type DecisionWorld } from '../run/decision.js';
import { type RunEvent } from '../run/events.js';
import { defineStep, type StepContext, type StepKind, type StepResult } from '../step-executor.js';
import { type Json, type JsonObject } from '../values.js';
import { ManualClock } from './manual-clock.js';
import { MemoryRunStore, type StoredRun } from './memory-run-store.js';
import { compiled } from './playbook-builder.js';
import { calledRun, newRun, TEST_TENANT } from './scripted-run.js';
import { simulatedWorld } from './simulated-run.js';

/** Turns of the event loop after which a run that waits for nothing but its clock has nothing left to do. */
const TURNS = 60;
/** How long a run that only waits stays in memory, in milliseconds. */
export const PARK_AFTER_MS = 5_000;

/** One effect that was begun, and ends when a test says so. */
export interface EffectCall extends StepContext {
  readonly request: Json;
  readonly settle: (outcome: Json | Error) => void;
}

/** One run with composite actions, its store and all that it calls; time stands until it is moved. Writes are committed in turns of their own. */
export class ProgramStage {
  readonly clock = new ManualClock();
  readonly calls: EffectCall[] = [];
  /** Executions that were called, in this order. */
  readonly prepared: ChildCall[] = [];
  /** Called executions that were asked to end. */
  readonly cancelled: string[] = [];
  readonly ends: string[] = [];
  readonly faults: unknown[] = [];
  /** What the units of the run came to. */
  readonly outcomes = new Set<string>();
  /** How many events each unit had, and how many characters of JSON they have. */
  readonly units: { readonly events: number; readonly characters: number }[] = [];
  /** Progress as it was stored, each value once. */
  readonly progress = new Set<number>();
  /** While set, nobody hears of a cancel: it is stored when this resolves. */
  cancelStored: Promise<void> = Promise.resolve();
  /** While set, nobody knows what a called execution came to that does not tell it: it is read when this resolves. */
  outcomeRead: Promise<void> = Promise.resolve();
  /** While set, the next unit is under way: this resolves with its outcome. */
  nextOutcome: Promise<UnitOutcome> | null = null;
  /** While set, the next unit that somebody is born with is under way: it is stored when this resolves. */
  birthStored: Promise<void> | null = null;
  /** False: no id can be minted, as where the database is away for long. */
  mintsIds = true;
  private readonly store = new MemoryRunStore(this.clock.now);
  /** Every holder's: no id comes twice. */
  private readonly world = this.worldOf(simulatedWorld());
  private readonly playbook: CompiledPlaybook;
  private readonly sources = new Map<UnitSource, UnitSource>();
  private current: Orchestrator | null = null;

  /** @param run what is special about it; @param parkAfterMs null: it never leaves memory by itself */
  constructor(
    steps: Parameters<typeof compiled>[0],
    private readonly run: Partial<NewRun> = {},
    private readonly parkAfterMs: number | null = PARK_AFTER_MS,
    /** What its calls call, where that is looked into. */
    private readonly called: CompiledPlaybook | null = null,
  ) {
    this.playbook = compiled(steps);
    const kind = defineStep({
      kind: 'act',
      effect: true,
      defaultTimeoutSeconds: 0,
      parse: () => null,
      render: (_config, inputs: JsonObject) => inputs,
      execute: (request, context) => this.execute(request, context),
    });
    for (const { action, saves } of this.playbook.steps) {
      for (const { external } of saves) if (external) Object.assign(external, { kind });
      if (action) performBy(action, kind);
    }
  }

  /** Another holder claims the run, or the first one begins it; gives back when it has come to rest. */
  async hold(token: string): Promise<void> {
    const stored = this.store.read('1');
    if (stored) this.store.claim('1', token);
    const history = stored && { ...stored, snapshot: null, createdAt: 0, attempts: 0 };
    const store: RunStore = {
      announce: (source) => this.store.announce(this.watched(source)),
      readInbox: (tenantId, id, after) => this.store.readInbox(tenantId, id, after),
      expireApproval: (tenantId, id, step, wave) => this.store.expireApproval(tenantId, id, step, wave),
    };
    const run = newRun('1', { parameters: {}, ...this.run });
    this.current = new Orchestrator({ run, token, claimNo: 1, history }, this.playbook, {
      store,
      clock: this.clock,
      world: this.world,
      facts: { env: {} },
      parkAfterMs: this.parkAfterMs,
      children: this.children,
      tokenForCalled: () => null,
      holdsLease: () => true,
      admit: () => Promise.resolve(),
      over: (how) => this.ends.push(how),
      unheard: (error) => this.faults.push(error),
      fault: (error) => this.faults.push(error),
    });
    this.current.start();
    await this.rest();
  }

  /** Its holder is told to go. */
  async giveBack(): Promise<void> {
    this.current?.giveBack();
    await this.rest();
  }

  /** Says something to the run; its holder, where it has one, hears it, unless the hint is lost. */
  async tell(kind: InboxMessage['kind'], payload: JsonObject = {}, isHinted = true): Promise<void> {
    this.store.deliver(TEST_TENANT, '1', kind, payload);
    if (isHinted && this.stored.token !== null) this.current?.readInbox();
    await this.rest();
  }

  /** One of the executions that it called has ended. */
  tellEnd(at: number, end: Pick<ChildEnded, 'status' | 'result'>, isHinted = true): Promise<void> {
    const { id, step, wave, item } = this.prepared[at]!;
    return this.tell('child_ended', { child_id: id, step, wave, item, error: null, ...end }, isHinted);
  }

  async settle(at: number, outcome: Json | Error): Promise<void> {
    this.calls[at]!.settle(outcome);
    await this.rest();
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.rest();
  }

  /** Lets everything happen that waits for no time to pass. */
  async rest(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      this.clock.advance(0);
    }
  }

  get stored(): StoredRun {
    return this.store.read('1')!;
  }

  /** An execution that it called, as it is stored; null where it is not. */
  storedCall(at: number): StoredRun | null {
    return this.store.read(this.prepared[at]!.id);
  }

  eventsOf<Type extends RunEvent['type']>(type: Type): Extract<RunEvent, { readonly type: Type }>[] {
    return this.stored.events.filter((event): event is Extract<RunEvent, { readonly type: Type }> => event.type === type);
  }

  /** Which part each effect was of. */
  get parts(): string[] {
    return this.calls.map(({ idempotencyKey }) => idempotencyKey.split('/').slice(3, -1).join('/'));
  }

  private readonly children: ChildRuns = {
    prepare: (call) => {
      this.prepared.push(call);
      const { id, parent, step, wave, item } = call;
      return Promise.resolve(calledRun(id, parent, { step, wave, item }));
    },
    playbookOf: () => this.called,
    below: () => Promise.resolve([]),
    outcome: () => this.outcomeRead.then(() => null),
    cancel: (_tenantId, ids) => {
      // Who is not there yet hears nothing.
      this.cancelled.push(...ids.filter((id) => this.store.read(id) !== null));
      return this.cancelStored;
    },
    cancelAll: () => Promise.resolve(),
  };

  private worldOf(world: DecisionWorld): DecisionWorld {
    const nextId = (): string => {
      if (this.mintsIds) return world.nextId();
      throw new EngineError('unavailable', 'database_unavailable', 'No id can be minted.');
    };
    return { ...world, now: this.clock.now, nextId };
  }

  private execute(request: Json, context: StepContext): Promise<StepResult> {
    const { promise, resolve, reject } = Promise.withResolvers<StepResult>();
    const settle = (outcome: Json | Error): void => (outcome instanceof Error ? reject(outcome) : resolve({ value: outcome }));
    context.signal.addEventListener('abort', () => reject(new Error('aborted')));
    this.calls.push({ ...context, request, settle });
    return promise;
  }

  private watched(source: UnitSource): UnitSource {
    const known = this.sources.get(source);
    if (known) return known;
    const watched: UnitSource = {
      runId: source.runId,
      takeUnit: () => {
        const unit = source.takeUnit();
        if (unit) this.units.push({ events: unit.events.length, characters: JSON.stringify(unit.events).length });
        const { nextOutcome, birthStored } = this;
        if (unit && unit.children.length > 0 && birthStored) {
          this.birthStored = null;
          void birthStored.then(() => this.store.announce({ ...watched, takeUnit: () => unit }));
          return null;
        }
        if (!unit || !nextOutcome) return unit;
        this.nextOutcome = null;
        void nextOutcome.then((outcome) => watched.unitSettled(outcome));
        return null;
      },
      unitSettled: (outcome) => {
        this.outcomes.add(outcome.kind);
        this.progress.add(this.stored.row.progress);
        source.unitSettled(outcome);
      },
    };
    this.sources.set(source, watched);
    return watched;
  }
}

/** Lets a kind perform an action, its saves and all tasks in it. */
function performBy({ performer, saves }: CompiledAction, kind: StepKind): void {
  for (const { external } of saves) if (external) Object.assign(external, { kind });
  if (performer?.does === 'step') Object.assign(performer, { kind });
  if (performer?.does === 'iterator') for (const task of performer.iterator.tasks) performBy(task, kind);
}
