import { NO_CHILD_RUNS } from './child-runs-port.js';
import { Orchestrator } from './orchestrator.js';
import { type CompiledPlaybook } from './playbook/compiled.js';
import { type NewRun, type Unit, type UnitOutcome, type UnitSource } from './ports.js';
import { type RunEvent } from './run/events.js';
import { defineStep, type StepContext, type StepResult } from './step-executor.js';
import { ManualClock } from './testing/manual-clock.js';
import { MemoryRunStore } from './testing/memory-run-store.js';
import { aStep, anAction, compiled, to } from './testing/playbook-builder.js';
import { newRun } from './testing/scripted-run.js';
import { simulatedWorld } from './testing/simulated-run.js';
import { type Json } from './values.js';

const RETRY = {
  maxAttempts: 3,
  initialDelay: 10,
  backoffMultiplier: 2,
  maxDelay: 60,
  jitter: false,
  retryWhen: null,
  stopWhen: null,
  retryOn: null,
  onSuccess: null,
};
const types = (events: readonly RunEvent[]): string[] =>
  events.map((event) => ('step' in event ? `${event.type} ${event.step}` : event.type));
/** Lets everything that waits for a microtask or a turn happen. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

interface Call extends StepContext {
  readonly settle: (outcome: Json | Error) => void;
}

/** One run, its store and its steps, all moved by hand. */
class Stage {
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

  static of(steps: Parameters<typeof compiled>[0], effect = true): Stage {
    const stage: Stage = new Stage(compiled(steps));
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

const one = (overrides: Parameters<typeof anAction>[0] = {}): Parameters<typeof compiled>[0] => [
  aStep('start', { action: anAction(overrides), next: to('end') }),
  aStep('end'),
];

describe(Orchestrator.name, () => {
  it('begins an effect only after its start is committed, and tells the end only after that is', async () => {
    const stage = Stage.of(one());
    stage.orchestrator().start();
    await turn();
    expect(stage.calls).toHaveLength(0);
    await stage.commit();
    expect(stage.stored).toEqual(['execution_started', 'step_started start']);
    expect(stage.calls).toMatchObject([{ attempt: 1, claimNo: 1, idempotencyKey: '1/start/1/-/action' }]);
    stage.calls[0]!.settle({ n: 1 });
    await turn();
    expect(stage.ends).toEqual([]);
    await stage.commit();
    expect(stage.ends).toEqual(['ended']);
    expect(stage.store.read('1')).toMatchObject({ row: { status: 'completed', progress: 100 }, result: { n: 1 } });
    expect(stage.clock.size).toBe(0);
  });

  it('pure steps run ahead of the commit, but not without bound', async () => {
    const endless = [aStep('start', { next: to('loop') }), aStep('loop', { action: anAction(), next: to('loop') })];
    const stage = Stage.of(endless, false);
    stage.orchestrator().start();
    for (let n = 0; n < 300; n++) {
      stage.calls.at(-1)?.settle(n);
      await turn();
    }
    expect(stage.store.read('1')).toBeNull();
    expect(stage.calls.length).toBeGreaterThan(100);
    expect(stage.calls.length).toBeLessThanOrEqual(128);
    const before = stage.calls.length;
    await stage.commit();
    expect(stage.calls.length).toBe(before + 1);
  });

  it('large values bound the run-ahead too', async () => {
    const stage = Stage.of([aStep('start', { next: to('loop') }), aStep('loop', { action: anAction(), next: to('loop') })], false);
    stage.orchestrator().start();
    for (let n = 0; n < 20; n++) {
      stage.calls.at(-1)?.settle('x'.repeat(200_000));
      await turn();
    }
    expect(stage.calls.length).toBeLessThanOrEqual(6);
  });

  it('goes on after a bounded decision in turns of its own, and stops for the commit', async () => {
    const stage = Stage.of([aStep('start', { next: to('loop') }), aStep('loop', { next: to('loop') })]);
    stage.orchestrator().start();
    for (let n = 0; n < 50; n++) stage.clock.advance(0);
    await turn();
    expect(stage.batches).toHaveLength(1);
    expect(stage.units).toHaveLength(0);
    await stage.commit();
    const ahead = stage.units[0]!.events.length;
    expect(ahead).toBeGreaterThanOrEqual(256);
    expect(ahead).toBeLessThan(256 + 70);
    for (let n = 0; n < 50; n++) {
      stage.clock.advance(0);
      await stage.commit();
    }
    expect(stage.ends).toEqual(['ended']);
    expect(stage.store.read('1')?.row.error).toMatchObject({ code: 'loop_limit' });
  });

  describe('a run that only waits', () => {
    const waiting = async (parkAfterMs: number | null): Promise<Stage> => {
      const stage = Stage.of(one({ retry: RETRY }));
      stage.parkAfterMs = parkAfterMs;
      stage.orchestrator().start();
      await stage.commit();
      stage.calls[0]!.settle(new Error('no'));
      await turn();
      return stage;
    };

    it('releases its lease with the due time where the wait is long, and goes on when it is claimed then', async () => {
      const stage = await waiting(5_000);
      const dueAt = stage.clock.now() + 10_000;
      await stage.commit();
      expect(stage.ends).toEqual(['released']);
      expect(stage.store.read('1')).toMatchObject({
        wakeAt: dueAt,
        row: { status: 'running', waitingFor: { kind: 'retry', until: dueAt } },
      });
      expect(stage.clock.size).toBe(0);
      stage.clock.advance(10_000);
      stage.orchestrator('two', 2).start();
      stage.clock.advance(0);
      await stage.commit();
      expect(stage.calls.at(-1)).toMatchObject({ attempt: 2, claimNo: 2 });
    });

    it('keeps it where the wait is short, or where nothing would bring it back', async () => {
      for (const parkAfterMs of [15_000, null]) {
        const stage = await waiting(parkAfterMs);
        await stage.commit();
        expect(stage.ends).toEqual([]);
        stage.clock.advance(10_000);
        await stage.commit();
        expect(stage.calls).toHaveLength(2);
      }
    });

    it('hears what was said while it was leaving, and its wait goes on', async () => {
      const stage = await waiting(5_000);
      stage.store.deliver('default', '1', 'signal', {});
      await stage.commit();
      expect(stage.ends).toEqual([]);
      stage.store.deliver('default', '1', 'cancel', { reason: 'enough' });
      await stage.commit();
      await stage.commit();
      expect(stage.ends).toEqual(['ended']);
      expect(stage.store.read('1')?.row.status).toBe('cancelled');
    });
  });

  describe('a run that is told things while nobody holds it', () => {
    const told = async (kind: 'pause' | 'cancel'): Promise<Stage> => {
      const stage = Stage.of(one());
      stage.parkAfterMs = 5_000;
      stage.orchestrator().start();
      await stage.commit();
      stage.store.deliver('default', '1', kind, {});
      return stage;
    };

    it('hears it before it begins anything: a cancelled step is not begun again', async () => {
      const stage = await told('cancel');
      const before = stage.calls.length;
      stage.orchestrator('two', 2).start();
      await turn();
      await stage.commit();
      expect(stage.calls).toHaveLength(before);
      expect(stage.store.read('1')?.row.status).toBe('cancelled');
    });

    it('a pause lets the step that was under way come to its end, and a hint in between is not lost', async () => {
      const stage = await told('pause');
      const orchestrator = stage.orchestrator('two', 2);
      orchestrator.start();
      stage.store.deliver('default', '1', 'signal', { name: 'late', payload: 1 });
      orchestrator.readInbox();
      await stage.commit();
      stage.calls.at(-1)!.settle(7);
      await stage.commit();
      await stage.commit();
      expect(stage.ends).toEqual(['released']);
      expect(stage.store.read('1')).toMatchObject({ row: { status: 'paused' }, token: null, wakeAt: null, inboxConsumed: 2 });
      expect(stage.stored).toEqual([
        'execution_started',
        'step_started start',
        'pause_requested',
        'signal_received',
        'step_completed start',
        'execution_paused',
      ]);
      // Told something else it wakes, records that, and leaves again, still paused.
      stage.store.deliver('default', '1', 'signal', { name: 'later', payload: 2 });
      stage.orchestrator('three', 3).start();
      await turn();
      await stage.commit();
      expect(stage.stored.at(-1)).toBe('signal_received');
      expect(stage.store.read('1')).toMatchObject({ row: { status: 'paused' }, token: null, wakeAt: null, inboxConsumed: 3 });
      stage.store.deliver('default', '1', 'resume', {});
      stage.orchestrator('four', 4).start();
      await turn();
      await stage.commit();
      expect(stage.store.read('1')).toMatchObject({ row: { status: 'completed' }, result: 7 });
    });
  });

  it('its own time-out ends a run: what runs is aborted, the error says so', async () => {
    const stage = Stage.of(one());
    stage.run = { timeoutAt: stage.clock.now() + 60_000 };
    stage.orchestrator().start();
    await stage.commit();
    stage.clock.advance(59_999);
    expect(stage.ends).toEqual([]);
    stage.clock.advance(1);
    await turn();
    await stage.commit();
    expect(stage.store.read('1')?.row).toMatchObject({ status: 'failed', error: { code: 'execution_timeout' } });
    expect(stage.clock.size).toBe(0);
  });

  it('a time-out that is far away does not keep a waiting run in memory, and is when it is due', async () => {
    const stage = Stage.of(one({ retry: { ...RETRY, initialDelay: 3_600, maxDelay: 3_600 } }));
    stage.parkAfterMs = 5_000;
    stage.run = { timeoutAt: stage.clock.now() + 60_000 };
    stage.orchestrator().start();
    await stage.commit();
    stage.calls[0]!.settle(new Error('again'));
    await stage.commit();
    expect(stage.store.read('1')).toMatchObject({ token: null, wakeAt: stage.run.timeoutAt });
  });

  it('claimed before its start it begins nothing, stays pending, and is due at its start', async () => {
    const stage = Stage.of(one());
    stage.parkAfterMs = 5_000;
    stage.run = { startAt: stage.clock.now() + 60_000 };
    stage.orchestrator().start();
    await stage.commit();
    expect(stage.calls).toEqual([]);
    expect(stage.store.read('1')).toMatchObject({ row: { status: 'pending' }, token: null, wakeAt: stage.run.startAt });
    stage.clock.advance(60_000);
    stage.orchestrator('two', 2).start();
    await stage.commit();
    expect(stage.calls).toHaveLength(1);
  });

  it('parks a retry, says so although a join waits for it, and performs the next attempt when it is due', async () => {
    const stage = Stage.of([
      aStep('start', { next: to('act', 'join') }),
      aStep('act', { action: anAction({ retry: RETRY }), next: to('join') }),
      aStep('join', { next: to('end') }),
      aStep('end'),
    ]);
    stage.orchestrator().start();
    await stage.commit();
    stage.calls[0]!.settle(new Error('boom'));
    await stage.commit();
    expect(stage.store.read('1')?.row.waitingFor).toMatchObject({ kind: 'retry', name: 'act', until: stage.clock.now() + 10_000 });
    expect(stage.units.at(-1)).toMatchObject({ recordsProgress: true });
    stage.clock.advance(9_999);
    await stage.commit();
    expect(stage.calls).toHaveLength(1);
    stage.clock.advance(1);
    await turn();
    // Its start is not committed yet.
    expect(stage.calls).toHaveLength(1);
    await stage.commit();
    expect(stage.stored.at(-1)).toBe('step_woken act');
    expect(stage.calls).toMatchObject([{ attempt: 1 }, { attempt: 2, idempotencyKey: stage.calls[0]!.idempotencyKey }]);
  });

  it('cancel aborts a running effect, begins none that waits at the barrier, and ends as cancelled', async () => {
    const stage = Stage.of([
      aStep('start', { next: to('a', 'b') }),
      aStep('a', { action: anAction(), next: to('late') }),
      aStep('b', { action: anAction() }),
      aStep('late', { action: anAction() }),
      aStep('end'),
    ]);
    const run = stage.orchestrator();
    run.start();
    await stage.commit();
    stage.calls[0]!.settle(1);
    await turn();
    stage.store.deliver('default', '1', 'cancel', { reason: 'enough' });
    run.readInbox();
    await turn();
    expect(stage.calls.map((call) => [call.step, call.signal.aborted])).toEqual([
      ['a', false],
      ['b', true],
    ]);
    await stage.commit();
    await stage.commit();
    expect(stage.store.read('1')).toMatchObject({ row: { status: 'cancelled', progress: 100, error: null } });
    expect(stage.stored.at(-1)).toBe('execution_cancelled');
    expect(stage.calls).toHaveLength(2);
    expect(stage.ends).toEqual(['ended']);
  });

  it('after a failure an effect at the barrier does not begin', async () => {
    const stage = Stage.of([
      aStep('start', { next: to('a', 'b') }),
      aStep('a', { action: anAction(), next: to('late') }),
      aStep('b', { action: anAction() }),
      aStep('late', { action: anAction() }),
    ]);
    stage.orchestrator().start();
    await stage.commit();
    stage.calls[0]!.settle(1);
    await turn();
    stage.calls[1]!.settle(new Error('boom'));
    await stage.commit();
    await stage.commit();
    expect(stage.calls).toHaveLength(2);
    expect(stage.stored.slice(-2)).toEqual(['step_skipped late', 'execution_failed']);
  });

  describe('a cancel that nobody told it of', () => {
    /** `a` is over and `late` may begin with the next commit, `c` waits to be tried again; the cancel comes before that commit. */
    const cancelled = async (): Promise<Stage> => {
      const stage = Stage.of([
        aStep('start', { next: to('a', 'c') }),
        aStep('a', { action: anAction(), next: to('late') }),
        aStep('c', { action: anAction({ retry: RETRY }) }),
        aStep('late', { action: anAction() }),
        aStep('end'),
      ]);
      stage.orchestrator().start();
      await stage.commit();
      stage.calls[1]!.settle(new Error('not now'));
      await stage.commit();
      stage.calls[0]!.settle(1);
      await turn();
      stage.store.deliver('default', '1', 'cancel', { reason: 'enough' });
      return stage;
    };

    it('is heard with the next commit, before what that commit lets begin', async () => {
      const stage = await cancelled();
      for (let n = 0; n < 3; n++) await stage.commit();
      expect(stage.calls.map(({ step }) => step)).toEqual(['a', 'c']);
      expect(stage.store.read('1')?.row.status).toBe('cancelled');
      expect(stage.ends).toEqual(['ended']);
      expect(stage.clock.size).toBe(0);
    });

    it('keeps back an effect that was told to begin before, and has not left yet', async () => {
      const stage = Stage.of([
        aStep('start', { next: to('a', 'b') }),
        aStep('a', { action: anAction() }),
        aStep('b', { action: anAction() }),
        aStep('end'),
      ]);
      stage.orchestrator().start();
      await stage.commit();
      stage.calls[0]!.settle(1);
      await turn();
      stage.store.deliver('default', '1', 'cancel', {});
      stage.unreadable = 1;
      expect(() => stage.calls[1]!.assertHeld()).not.toThrow();
      await stage.commit();
      expect(() => stage.calls[1]!.assertHeld()).toThrow('The step was not begun.');
    });

    it('is asked for until it is read, and nothing begins before, not even what was due meanwhile', async () => {
      const stage = await cancelled();
      stage.unreadable = 2;
      for (let n = 0; n < 3; n++) await stage.commit();
      stage.clock.advance(499);
      expect(stage.faults).toHaveLength(1);
      stage.clock.advance(1);
      await stage.commit();
      expect(stage.faults).toHaveLength(2);
      stage.clock.advance(9_500);
      for (let n = 0; n < 3; n++) await stage.commit();
      expect(stage.calls.map(({ step }) => step)).toEqual(['a', 'c']);
      expect(stage.store.read('1')?.row.status).toBe('cancelled');
    });
  });

  it('an end that meets a cancel is decided again as CANCELLED, with every event kept once', async () => {
    const stage = Stage.of(one());
    stage.orchestrator().start();
    await stage.commit();
    stage.calls[0]!.settle(1);
    await turn();
    stage.store.deliver('default', '1', 'cancel', {});
    await stage.commit();
    await stage.commit();
    expect(stage.stored).toEqual([
      'execution_started',
      'step_started start',
      'step_completed start',
      'step_completed end',
      'cancel_requested',
      'execution_cancelled',
    ]);
    expect(stage.units.at(-1)).toMatchObject({ recordsProgress: true });
    expect(stage.ends).toEqual(['ended']);
  });

  it('without its lease it begins no effect, aborts those that run, and writes nothing', async () => {
    const stage = Stage.of([aStep('start', { action: anAction(), next: to('second') }), aStep('second', { action: anAction() })]);
    const run = stage.orchestrator();
    run.start();
    await stage.commit();
    run.checkLease();
    expect(stage.ends).toEqual([]);
    stage.live = false;
    run.checkLease();
    expect(stage.ends).toEqual(['lost']);
    expect(stage.calls[0]!.signal.aborted).toBe(true);
    await stage.commit();
    expect(stage.stored).toHaveLength(2);
    expect(stage.clock.size).toBe(0);

    const late = Stage.of(one());
    late.orchestrator().start();
    late.live = false;
    await late.commit();
    expect([late.calls.length, late.ends]).toEqual([0, ['lost']]);
  });

  it('drops what it knows when the store says that the run has another holder', async () => {
    const stage = Stage.of(one());
    stage.orchestrator().start();
    await stage.commit();
    stage.store.claim('1', 'thief');
    stage.calls[0]!.settle(1);
    await stage.commit();
    expect(stage.ends).toEqual(['lost']);
    expect(stage.stored).toHaveLength(2);
  });

  const refused = { kind: 'refused', reason: 'SQLSTATE 22P05' } as const;
  it.each([
    [1, 'result_not_storable', ['step_failed start', 'step_failed end', 'execution_failed']],
    [2, 'poison', ['execution_failed']],
  ])('refused %i times it ends as failed: %s', async (times, code, events) => {
    const stage = Stage.of(one());
    stage.orchestrator().start();
    await stage.commit();
    stage.script.push(...Array<UnitOutcome>(times).fill(refused));
    stage.calls[0]!.settle('secret');
    for (let n = 0; n < 4; n++) await stage.commit();
    expect(stage.stored.slice(2)).toEqual(events);
    expect(stage.store.read('1')?.row).toMatchObject({ status: 'failed', error: { code } });
    expect(JSON.stringify(stage.store.read('1')?.events)).not.toContain('secret');
    expect(stage.ends).toEqual(['ended']);
  });

  it('refused for ever it lets go; refused at birth it was never there', async () => {
    const stage = Stage.of(one());
    stage.orchestrator().start();
    await stage.commit();
    stage.script.push(refused, refused, refused);
    stage.calls[0]!.settle(1);
    for (let n = 0; n < 5; n++) await stage.commit();
    expect([stage.ends, stage.faults.length, stage.batches.length]).toEqual([['lost'], 1, 0]);
    const newborn = Stage.of(one());
    newborn.script.push(refused);
    newborn.orchestrator().start();
    await newborn.commit();
    expect(newborn.ends).toEqual(['refused']);
  });

  it('a refused run whose cancel was acknowledged ends as cancelled, heard before or after', async () => {
    for (const isHeard of [true, false]) {
      const stage = Stage.of(one());
      const run = stage.orchestrator();
      run.start();
      await stage.commit();
      stage.script.push(refused);
      stage.calls[0]!.settle(1);
      stage.store.deliver('default', '1', 'cancel', { reason: 'enough' });
      if (isHeard) run.readInbox();
      for (let n = 0; n < 5; n++) await stage.commit();
      expect(stage.store.read('1')?.row.status).toBe('cancelled');
      expect(stage.stored.filter((type) => type === 'cancel_requested')).toHaveLength(1);
      expect(stage.ends).toEqual(['ended']);
    }
  });

  it('given back, another holder goes on: what is complete is not done again, what was cut keeps key and attempt', async () => {
    const stage = Stage.of([
      aStep('start', { next: to('a', 'b') }),
      aStep('a', { action: anAction() }),
      aStep('b', { action: anAction({ retry: RETRY }) }),
      aStep('end'),
    ]);
    const first = stage.orchestrator();
    first.start();
    await stage.commit();
    stage.calls[0]!.settle('a is done');
    stage.calls[1]!.settle(new Error('boom'));
    await stage.commit();
    stage.clock.advance(10_000);
    await stage.commit();
    expect(stage.calls[2]).toMatchObject({ step: 'b', attempt: 2 });
    first.giveBack();
    await stage.commit();
    expect(stage.calls[2]!.signal.aborted).toBe(true);
    expect(stage.ends).toEqual(['released']);
    expect(stage.store.read('1')).toMatchObject({ token: null, wakeAt: stage.clock.now() });
    stage.orchestrator('two', 2).start();
    stage.clock.advance(0);
    await stage.commit();
    expect(stage.calls.slice(3)).toMatchObject([{ step: 'b', attempt: 2, claimNo: 2, idempotencyKey: stage.calls[2]!.idempotencyKey }]);
    stage.calls[3]!.settle('b is done');
    await stage.commit();
    expect(stage.store.read('1')).toMatchObject({ row: { status: 'completed' }, result: { a: 'a is done', b: 'b is done' } });
  });

  it('a run that is over ends although it is given back, and one given back hears a cancel first', async () => {
    const over = Stage.of(one());
    const ending = over.orchestrator();
    ending.start();
    await over.commit();
    over.calls[0]!.settle(1);
    await turn();
    ending.giveBack();
    await over.commit();
    expect([over.ends, over.store.read('1')?.row.status]).toEqual([['ended'], 'completed']);

    const stage = Stage.of(one());
    const run = stage.orchestrator();
    run.start();
    await stage.commit();
    stage.store.deliver('default', '1', 'cancel', {});
    run.giveBack();
    await stage.commit();
    await stage.commit();
    expect([stage.ends, stage.stored.at(-1)]).toEqual([['released'], 'cancel_requested']);
    stage.orchestrator('two', 2).start();
    await stage.commit();
    expect(stage.store.read('1')?.row.status).toBe('cancelled');
    expect(stage.calls).toHaveLength(1);
  });
});
