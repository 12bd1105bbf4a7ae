import { type PartsEvent } from './action/journal.js';
import { type ProgramHost } from './action/program-host.js';
import { type ProgramEnd, runProgram } from './action/program.js';
import { type SecretKeeper } from './auth/secret-keeper.js';
import { type ChildRuns } from './child-runs-port.js';
import { endedAtBirth } from './ended-at-birth.js';
import { type CompiledPlaybook } from './playbook/compiled.js';
import { type Clock, type EndedBirth, type HeldRun, type NewRun } from './ports.js';
import { ProgressReports } from './progress-reports.js';
import { type AttemptOutcome, type DecisionWorld, type Perform, type Stimulus } from './run/decision.js';
import { type RunFacts } from './run/run-scope.js';
import { type RunState } from './run/run-state.js';
import { storabilityFault } from './storability.js';
import { type StepContext, StepFailure, type StepKind } from './step-executor.js';

interface Attempt extends Pick<Perform, 'step' | 'wave' | 'attempt' | 'request' | 'timeoutMs' | 'answered'> {
  readonly kind: StepKind;
  readonly key: string;
  /** Of the part of a program; left out: the action as a whole. */
  readonly path?: string;
}

interface Performing {
  readonly wave: number;
  readonly controller: AbortController;
  /** Things that the world can see and that are under way. */
  effects: number;
  /** All of it sleeps, until then at least (epoch ms). */
  asleepUntil: number | null;
  /** Monotonic ms since which it does. */
  asleepSince: number;
  /** Who waits for the end of an execution that was called. */
  readonly childEnds: Map<string, () => void>;
  /** Tells a program that the run has failed, or is to pause. */
  halted: () => void;
}

const nothing = (): void => undefined;

/** What the performer asks of the run it works for. */
export interface PerformerRun {
  readonly playbook: CompiledPlaybook;
  readonly held: HeldRun;
  readonly clock: Clock;
  readonly state: RunState;
  readonly facts: RunFacts;
  readonly world: DecisionWorld;
  readonly secrets: SecretKeeper;
  readonly children: ChildRuns;
  /** See OrchestratorOptions. */
  readonly admit: (bytes: number, signal: AbortSignal) => Promise<void>;
  feed(stimulus: Stimulus): void;
  /** Resolves once everything that was fed is committed, and never where the run is over here. */
  committed(): Promise<void>;
  /** So much is decided and not committed that nothing more may be decided ahead (D17). */
  isFarAhead(): boolean;
  /** Lease still good: asked right before each effect of a program begins (D13). Where it is not, the run lets go. */
  mayAct(): boolean;
  /** Whether the run was asked to cancel and is about to read it (D28). */
  hearsCancel(): boolean;
  isOver(): boolean;
  /** A program has fallen asleep, or is awake again. */
  rests(): void;
}

/** Of one program. */
const MAX_WARNINGS = 20;
/** A database that is away is asked again after so long, and then after ever longer. */
const ASK_AGAIN_MS = 100;
const LONGEST_ASK_MS = 2_000;
const NO_AUTH: StepContext['auth'] = new Map();

/** A step that ignores its abort signal is given this long before its outcome is decided without it. */
const ABORT_GRACE_MS = 5_000;

/**
 * Runs the attempts of one run's steps: hands the recorded request to the step kind, owns time-out and abort, and feeds
 * exactly one `settled` per attempt back, unless the run has let go of it. Composite actions are programs that record their parts one by one.
 */
export class Performer {
  private readonly performing = new Map<number, Performing>();

  constructor(private readonly run: PerformerRun) {}

  perform(perform: Perform): void {
    if (this.performing.get(perform.step)?.wave === perform.wave) return; // it is under way already
    const step = this.run.playbook.steps[perform.step]!;
    const performer = step.action?.performer;
    if (!perform.isProgram && performer?.does !== 'step') return this.refuse(perform);
    const controller = new AbortController();
    const performing: Performing = {
      wave: perform.wave,
      controller,
      effects: 0,
      asleepUntil: null,
      asleepSince: 0,
      childEnds: new Map(),
      halted: nothing,
    };
    this.performing.set(perform.step, performing);
    const since = this.run.clock.monotonic();
    const settle = (end: Pick<Extract<Stimulus, { kind: 'settled' }>, 'outcome' | 'saves' | 'itemErrors' | 'warnings'>): void => {
      if (this.performing.get(perform.step) !== performing) return; // the run has let go of it
      this.performing.delete(perform.step);
      const durationMs = this.run.clock.monotonic() - since;
      this.run.feed({ kind: 'settled', step: perform.step, wave: perform.wave, durationMs, ...end });
    };
    if (perform.isProgram) return this.runProgram(perform, performing, settle);
    if (performer?.does !== 'step') return;
    const key = `${step.name}/${perform.wave}/-/action`;
    void this.outcomeOf({ ...perform, kind: performer.kind, key }, performing, controller).then((outcome) => settle({ outcome }));
  }

  /** Whether something that the world can see is under way. */
  get hasEffects(): boolean {
    for (const { effects } of this.performing.values()) if (effects > 0) return true;
    return false;
  }

  /** An execution that a step called has ended, and that is recorded. */
  childEnded(step: number, childId: string): void {
    const performing = this.performing.get(step);
    const told = performing?.childEnds.get(childId);
    if (!performing || !told) return;
    performing.childEnds.delete(childId);
    // The program goes on a turn later. Taken for asleep until then, the run could let go of it with nobody left to wake it.
    performing.asleepUntil = null;
    told();
  }

  /** Since when (monotonic ms) the program sleeps that fell asleep last; null where none sleeps until it is told something. */
  get waitsForCallsSince(): number | null {
    const since = [...this.performing.values()].filter(({ asleepUntil }) => asleepUntil === Infinity).map(({ asleepSince }) => asleepSince);
    return since.length === 0 ? null : Math.max(...since);
  }

  /** Until when all of a step's program sleeps; null where something of it is under way. */
  asleepUntil(step: number): number | null {
    return this.performing.get(step)?.asleepUntil ?? null;
  }

  /** Settles an attempt that never begins, because the run is being cancelled or has failed. */
  refuse(perform: Perform): void {
    const failure = new StepFailure('cancelled', 'The step was not begun.', { retryable: false, origin: 'abort' });
    queueMicrotask(() =>
      this.run.feed({ kind: 'settled', step: perform.step, wave: perform.wave, outcome: { ok: false, failure }, durationMs: 0 }),
    );
  }

  /** Settles an attempt that nobody wants any more without taking it up; what it had called is cancelled before. */
  async giveUp(perform: Perform, calls: readonly string[]): Promise<void> {
    if (calls.length > 0) await this.cancelCalls(calls);
    this.refuse(perform);
  }

  /** The run has failed, or is to pause: programs are told, so that what sleeps in them does not hold it up. */
  halt(): void {
    for (const { halted } of this.performing.values()) halted();
  }

  abort(step: number, code: 'cancelled'): void {
    this.performing.get(step)?.controller.abort(new StepFailure(code, 'The step was aborted.', { retryable: false, origin: 'abort' }));
  }

  /** Aborts everything and forgets it: no outcome is fed back any more. */
  abortAll(): void {
    const all = [...this.performing.values()];
    this.performing.clear();
    for (const { controller } of all)
      controller.abort(new StepFailure('cancelled', 'The step was aborted.', { retryable: false, origin: 'abort' }));
  }

  private runProgram(perform: Perform, performing: Performing, settle: (end: ProgramEnd & { warnings?: readonly string[] }) => void): void {
    const { run } = this;
    const { step, wave, timeoutMs } = perform;
    const { controller } = performing;
    const isOurs = (): boolean => this.performing.get(step) === performing;
    const never = new Promise<never>(() => undefined);
    const warnings = new Set<string>();
    const { timeoutAt } = run.state.running.get(step)!;
    const left = timeoutMs === null || timeoutAt === null ? timeoutMs : Math.max(0, timeoutAt - run.clock.now());
    const stopTimer = this.timeOut(controller, left, timeoutMs);
    const compiled = run.playbook.steps[step]!;
    // A part that had begun before a crash or a pause goes on without a record of its own: what brought its program back comes first (D20, D28).
    const caughtUp = run.committed();
    const host: ProgramHost = {
      playbook: run.playbook,
      state: run.state,
      facts: run.facts,
      world: run.world,
      clock: run.clock,
      step: compiled,
      firing: run.state.running.get(step)!,
      signal: controller.signal,
      write: (events) => {
        if (!isOurs()) return never;
        run.feed({ kind: 'parts', step, wave, events });
        return isOurs() ? run.committed() : never;
      },
      isFarAhead: () => run.isFarAhead(),
      committed: () => (isOurs() ? run.committed() : never),
      attempt: async ({ path, ...part }) => {
        if (part.kind.effect) await caughtUp;
        if (!isOurs() || (part.kind.effect && !controller.signal.aborted && !run.mayAct())) return never;
        if (controller.signal.aborted) return { ok: false, failure: controller.signal.reason as StepFailure };
        const key = `${compiled.name}/${wave}/${path}/action`;
        return this.partOutcome({ ...part, step, wave, key, path, answered: null }, performing);
      },
      run: run.held.run,
      children: this.patient(isOurs),
      bear: (path, child, mayEnd) => {
        if (!isOurs()) return never;
        const { id: childId, path: childPath, version: childVersion } = child;
        const ended = mayEnd ? this.endedAtBirth(child) : null;
        const events: PartsEvent[] = [{ type: 'child_started', path, childId, childPath, childVersion }];
        if (ended) {
          const { status, row, result: value } = ended;
          events.push({ type: 'child_completed', path, childId, status, error: row.error, value });
        }
        run.feed({ kind: 'parts', step, wave, events, child: { run: child, ended } });
        if (!isOurs()) return never;
        return ended && !run.isFarAhead() ? Promise.resolve() : run.committed();
      },
      onChildEnd: (childId, told) => {
        performing.childEnds.set(childId, told);
        return () => performing.childEnds.delete(childId);
      },
      cancelChild: async (childId) => {
        // What a crash could take back, a failure elsewhere or a join that went on, must not have ended the call already.
        if (isOurs()) await run.committed();
        if (isOurs()) await this.cancelCalls([childId]);
      },
      warn: (message) => {
        if (warnings.size < MAX_WARNINGS) warnings.add(message);
      },
      asleep: (until) => {
        if (!isOurs()) return;
        performing.asleepUntil = until;
        performing.asleepSince = run.clock.monotonic();
        if (until !== null) run.rests();
      },
      onHalt: (told) => void (performing.halted = told),
      held: () => {
        if (!isOurs()) return;
        this.performing.delete(step);
        stopTimer?.();
        run.feed({ kind: 'held', step, wave });
      },
    };
    void runProgram(host).then((end) => {
      stopTimer?.();
      settle(warnings.size > 0 ? { ...end, warnings: [...warnings] } : end);
    });
  }

  private endedAtBirth(child: NewRun): EndedBirth | null {
    const { children, facts, world } = this.run;
    const playbook = children.playbookOf(child);
    return playbook && endedAtBirth(child, playbook, facts.env, world);
  }

  /** The door as a program asks it: where the database is away, it waits and asks again. */
  private patient(isOurs: () => boolean): ChildRuns {
    const { children, clock } = this.run;
    const again = async <T>(work: () => Promise<T>): Promise<T> => {
      for (let ms = ASK_AGAIN_MS; ; ms = Math.min(2 * ms, LONGEST_ASK_MS)) {
        try {
          return await work();
        } catch (error) {
          if (!isOurs() || (error instanceof StepFailure && error.code !== 'database_unavailable')) throw error;
        }
        await new Promise<void>((resolve) => clock.after(ms, resolve));
      }
    };
    return {
      prepare: (call) => again(() => children.prepare(call)),
      playbookOf: (child) => children.playbookOf(child),
      below: (parent, prefix) => again(() => children.below(parent, prefix)),
      outcome: (tenantId, childId, returnStep) => again(() => children.outcome(tenantId, childId, returnStep)),
      cancel: (tenantId, childIds, reason) => children.cancel(tenantId, childIds, reason),
      cancelAll: (tenantId, parentId, reason) => children.cancelAll(tenantId, parentId, reason),
    };
  }

  /** What a run calls is cancelled before it ends itself; an unreachable database is asked again. */
  async cancelCalls(childIds: readonly string[]): Promise<void> {
    const { children, held, state, clock } = this.run;
    for (let ms = ASK_AGAIN_MS; !this.run.isOver(); ms = Math.min(2 * ms, LONGEST_ASK_MS)) {
      try {
        return await children.cancel(held.run.tenantId, childIds, state.cancel?.reason ?? null);
      } catch {
        await new Promise<void>((resolve) => clock.after(ms, resolve));
      }
    }
  }

  private timeOut(controller: AbortController, timeoutMs: number | null, ofMs = timeoutMs): (() => void) | undefined {
    if (timeoutMs === null) return undefined;
    const failure = (): StepFailure => new StepFailure('timeout', `The step did not end within ${(ofMs ?? timeoutMs) / 1000} s.`);
    return this.run.clock.after(timeoutMs, () => controller.abort(failure()));
  }

  /** One of several attempts that go on at once: its time-out ends it alone. */
  private async partOutcome(attempt: Attempt, performing: Performing): Promise<AttemptOutcome> {
    const controller = new AbortController();
    const outer = performing.controller.signal;
    const follow = (): void => controller.abort(outer.reason);
    if (outer.aborted) follow();
    outer.addEventListener('abort', follow, { once: true });
    try {
      return await this.outcomeOf(attempt, performing, controller);
    } finally {
      outer.removeEventListener('abort', follow);
    }
  }

  /** @param controller aborts this attempt and nothing else */
  private async outcomeOf(attempt: Attempt, performing: Performing, controller: AbortController): Promise<AttemptOutcome> {
    const { playbook, held, clock, secrets } = this.run;
    const { kind, key, timeoutMs } = attempt;
    const reports = this.reportsOf(attempt, performing);
    const stopTimer = this.timeOut(controller, timeoutMs);
    if (kind.effect) performing.effects += 1;
    try {
      const recorded = attempt.request;
      const { request, auth } = secrets.isPlain(recorded)
        ? { request: recorded, auth: NO_AUTH }
        : await orAborted(secrets.open(recorded, controller.signal), controller.signal, clock);
      if (request !== recorded) this.checkBegin(attempt, controller.signal);
      const result = await orAborted(
        kind.execute(request, {
          tenantId: held.run.tenantId,
          executionId: held.run.id,
          step: playbook.steps[attempt.step]!.name,
          wave: attempt.wave,
          attempt: attempt.attempt,
          claimNo: held.claimNo,
          idempotencyKey: `${held.run.id}/${key}`,
          signal: controller.signal,
          timeoutMs,
          auth,
          assertHeld: () => this.checkBegin(attempt, controller.signal),
          admit: (bytes) => this.run.admit(bytes, controller.signal),
          mayAsk: attempt.path === undefined && playbook.inputs.has(playbook.steps[attempt.step]!.name),
          answered: attempt.answered,
          report: reports.hear,
        }),
        controller.signal,
        clock,
      );
      const kept = secrets.recordable(result, recorded);
      const fault = storabilityFault(kept.value);
      return fault ? { ok: false, failure: new StepFailure(fault.code, fault.message, { retryable: false }) } : { ok: true, result: kept };
    } catch (thrown) {
      return { ok: false, failure: this.failureOf(this.redacted(thrown), controller.signal) };
    } finally {
      if (kind.effect) performing.effects -= 1;
      reports.close();
      stopTimer?.();
    }
  }

  private reportsOf({ step, wave, path }: Attempt, performing: Performing): ProgressReports {
    return new ProgressReports(this.run.clock, (report) => {
      if (this.performing.get(step) !== performing || this.run.isOver()) return;
      this.run.feed({ kind: 'parts', step, wave, events: [{ ...report, ofAction: true, ...(path === undefined ? {} : { path }) }] });
    });
  }

  /** Where time has passed since the attempt was told to begin: an effect begins under the lease alone (D13), and after a cancel only what undoes (D28). */
  private checkBegin({ kind, step }: Attempt, signal: AbortSignal): void {
    signal.throwIfAborted();
    const isCancelled = this.run.hearsCancel() && this.run.playbook.steps[step]!.undoes === null;
    if (kind.effect && (isCancelled || !this.run.mayAct()))
      throw new StepFailure('cancelled', 'The step was not begun.', { retryable: false, origin: 'abort' });
  }

  private redacted(thrown: unknown): unknown {
    return thrown instanceof StepFailure ? this.run.secrets.failure(thrown) : thrown;
  }

  private failureOf(thrown: unknown, signal: AbortSignal): StepFailure {
    // Whatever a step says when it is aborted, the reason is ours.
    if (signal.aborted && signal.reason instanceof StepFailure) return signal.reason;
    if (thrown instanceof StepFailure) {
      const fault = storabilityFault([thrown.message, thrown.details, thrown.value ?? null]);
      return fault
        ? new StepFailure(thrown.code, 'The step failed with a message that cannot be stored.', { retryable: thrown.retryable })
        : thrown;
    }
    return new StepFailure('internal_error', 'The step type has a fault.', { retryable: true });
  }
}

/** The step's own end, or the abort's reason a grace period after the signal where the step does not react. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    let stopTimer: (() => void) | undefined;
    const abort = (): void => {
      stopTimer = clock.after(ABORT_GRACE_MS, () => reject(signal.reason as Error));
    };
    const settled = (): void => {
      signal.removeEventListener('abort', abort);
      stopTimer?.();
    };
    signal.addEventListener('abort', abort, { once: true });
    work.then(
      (value) => {
        settled();
        resolve(value);
      },
      (error: unknown) => {
        settled();
        reject(error as Error);
      },
    );
  });
}
