import { type PartsEvent } from './action/journal.js';
import { type ProgramHost } from './action/program-host.js';
import { type ProgramEnd, runProgram } from './action/program.js';
import { type Attempting, Attempts, type AttemptsRun, notBegun } from './attempts.js';
import { endedAtBirth } from './ended-at-birth.js';
import { type CallingRun, PatientCalls } from './patient-calls.js';
import { type EndedBirth, type NewRun } from './ports.js';
import { type DecisionWorld, type Perform, type Stimulus } from './run/decision.js';
import { type RunFacts } from './run/run-scope.js';
import { StepFailure } from './step-executor.js';

interface Performing extends Attempting {
  readonly wave: number;
  /** All of it sleeps, until then at least (epoch ms). */
  asleepUntil: number | null;
  /** Monotonic ms since which it does. */
  asleepSince: number;
  /** Who waits for the end of an execution that was called. */
  readonly childEnds: Map<string, () => void>;
  /** Tells a program that the run has failed, is to pause, or goes on. */
  halted: () => void;
}

const nothing = (): void => undefined;
const aborted = (): StepFailure => new StepFailure('cancelled', 'The step was aborted.', { retryable: false, origin: 'abort' });

/** What the performer asks of the run it works for. */
export interface PerformerRun extends AttemptsRun, CallingRun {
  readonly facts: RunFacts;
  readonly world: DecisionWorld;
  /** So much is decided and not committed that nothing more may be decided ahead (D17). */
  isFarAhead(): boolean;
  /** A program has fallen asleep, or is awake again. */
  rests(): void;
  /** A program met a fault of the service. */
  failed(fault: unknown): void;
}

/** Of one program. */
const MAX_WARNINGS = 20;

/**
 * Performs one run's steps: makes their attempts and feeds exactly one `settled` per attempt back, unless the run has let go of it. Composite actions
 * are programs that record their parts one by one.
 */
export class Performer {
  private readonly performing = new Map<number, Performing>();
  private readonly attempts: Attempts;
  private readonly calls: PatientCalls;

  constructor(private readonly run: PerformerRun) {
    this.attempts = new Attempts(run, (step, attempting) => this.performing.get(step) === attempting);
    this.calls = new PatientCalls(run);
  }

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
    void this.attempts.whole({ ...perform, kind: performer.kind, key }, performing).then((outcome) => settle({ outcome }));
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
    const outcome = { ok: false, failure: notBegun() } as const;
    queueMicrotask(() => this.run.feed({ kind: 'settled', step: perform.step, wave: perform.wave, outcome, durationMs: 0 }));
  }

  /** Settles an attempt that nobody wants any more without taking it up; what it had called is cancelled before. */
  async giveUp(perform: Perform, calls: readonly string[]): Promise<void> {
    if (calls.length > 0) await this.calls.cancel(calls);
    this.refuse(perform);
  }

  /** What the run calls is cancelled before it ends itself. Resolves once that is stored, or the run is over here. */
  cancelCalls(childIds: readonly string[]): Promise<void> {
    return this.calls.cancel(childIds);
  }

  /** The run has failed, is to pause, or goes on: programs are told, so that what sleeps in them does not hold it up, and what they held back begins. */
  halt(): void {
    for (const { halted } of this.performing.values()) halted();
  }

  abort(step: number): void {
    this.performing.get(step)?.controller.abort(aborted());
  }

  /** Aborts everything and forgets it: no outcome is fed back any more. */
  abortAll(): void {
    const all = [...this.performing.values()];
    this.performing.clear();
    for (const { controller } of all) controller.abort(aborted());
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
    const stopTimer = this.attempts.timeOut(controller, left, timeoutMs);
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
        return this.attempts.part({ ...part, step, wave, key, path, answered: null }, performing);
      },
      run: run.held.run,
      children: this.calls.while(isOurs),
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
        if (isOurs()) await this.calls.cancel([childId]);
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
    void runProgram(host).then(
      (end) => {
        stopTimer?.();
        settle(warnings.size > 0 ? { ...end, warnings: [...warnings] } : end);
      },
      (fault: unknown) => {
        stopTimer?.();
        // What was done up to then need not be done again.
        if (isOurs()) void run.committed().then(() => run.failed(fault));
      },
    );
  }

  private endedAtBirth(child: NewRun): EndedBirth | null {
    const { children, facts, world } = this.run;
    const playbook = children.playbookOf(child);
    return playbook && endedAtBirth(child, playbook, facts.env, world);
  }
}
