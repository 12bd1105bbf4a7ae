import { type SecretKeeper } from './auth/secret-keeper.js';
import { type CompiledPlaybook } from './playbook/compiled.js';
import { type Clock, type HeldRun } from './ports.js';
import { ProgressReports } from './progress-reports.js';
import { type AttemptOutcome, type Perform, type Stimulus } from './run/decision.js';
import { storabilityFault } from './storability.js';
import { type StepContext, StepFailure, type StepKind } from './step-executor.js';

/** One attempt of an action, or of a part of it. */
export interface Attempt extends Pick<Perform, 'step' | 'wave' | 'attempt' | 'request' | 'timeoutMs' | 'answered'> {
  readonly kind: StepKind;
  /** Names it within its run; the idempotency key is made of it. */
  readonly key: string;
  /** Of the part of a program; left out: the action as a whole. */
  readonly path?: string;
}

/** The step whose attempts these are, while it is performed. */
export interface Attempting {
  /** Aborts all of them. */
  readonly controller: AbortController;
  /** Things that the world can see and that are under way. */
  effects: number;
}

/** What attempts ask of the run they are made for. */
export interface AttemptsRun {
  readonly playbook: CompiledPlaybook;
  readonly held: HeldRun;
  readonly clock: Clock;
  readonly secrets: SecretKeeper;
  /** See OrchestratorOptions. */
  readonly admit: (bytes: number, signal: AbortSignal) => Promise<void>;
  feed(stimulus: Stimulus): void;
  /** Lease still good: asked right before each effect begins (D13). Where it is not, the run lets go. */
  mayAct(): boolean;
  /** Whether the run was asked to cancel and is about to read it (D28). */
  hearsCancel(): boolean;
  /** Resolves once everything that was fed is committed and such a cancel is heard, and never where the run is over here before. */
  committed(): Promise<void>;
  isOver(): boolean;
}

/** A step that ignores its abort signal is given this long before its outcome is decided without it. */
const ABORT_GRACE_MS = 5_000;
const NO_AUTH: StepContext['auth'] = new Map();

/** What an attempt ends with that never begins. */
export const notBegun = (): StepFailure => new StepFailure('cancelled', 'The step was not begun.', { retryable: false, origin: 'abort' });

/** Hands recorded requests to step kinds: opens their secrets, owns time-out and abort, and turns whatever comes back into an outcome. */
export class Attempts {
  /** @param isUnderWay whether that step is still performed by that holder, so that what is said of it is of interest */
  constructor(
    private readonly run: AttemptsRun,
    private readonly isUnderWay: (step: number, attempting: Attempting) => boolean,
  ) {}

  /** Aborts the controller in so many ms, saying that it is `ofMs` that are over. @returns what takes that back; undefined without a time-out */
  timeOut(controller: AbortController, timeoutMs: number | null, ofMs = timeoutMs): (() => void) | undefined {
    if (timeoutMs === null) return undefined;
    const end = (): void => controller.abort(new StepFailure('timeout', `The step did not end within ${(ofMs ?? timeoutMs) / 1000} s.`));
    if (timeoutMs > 0) return this.run.clock.after(timeoutMs, end);
    // Its time was over before it was taken up: nothing of it begins any more, and what was cancelled for that is no outcome.
    end();
    return undefined;
  }

  /** The only attempt of its step: its time-out ends the step. Never rejects. */
  whole(attempt: Attempt, attempting: Attempting): Promise<AttemptOutcome> {
    return this.outcomeOf(attempt, attempting, attempting.controller);
  }

  /** One of several that go on at once: its time-out ends it alone. Never rejects. */
  async part(attempt: Attempt, attempting: Attempting): Promise<AttemptOutcome> {
    const controller = new AbortController();
    const outer = attempting.controller.signal;
    const follow = (): void => controller.abort(outer.reason);
    if (outer.aborted) follow();
    outer.addEventListener('abort', follow, { once: true });
    try {
      return await this.outcomeOf(attempt, attempting, controller);
    } finally {
      outer.removeEventListener('abort', follow);
    }
  }

  /** @param controller aborts this attempt and nothing else */
  private async outcomeOf(attempt: Attempt, attempting: Attempting, controller: AbortController): Promise<AttemptOutcome> {
    const { playbook, held, clock, secrets } = this.run;
    const { kind, key, timeoutMs } = attempt;
    const reports = this.reportsOf(attempt, attempting);
    const stopTimer = this.timeOut(controller, timeoutMs);
    if (kind.effect) attempting.effects += 1;
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
          secretForms: () => secrets.forms,
          assertHeld: () => this.checkBegin(attempt, controller.signal),
          admit: (bytes) => this.run.admit(bytes, controller.signal),
          mayAsk: attempt.path === undefined && playbook.inputs.has(playbook.steps[attempt.step]!.name),
          answered: attempt.answered,
          report: (said) => reports.hear({ ...said, message: () => secrets.said(said.message()) }),
        }),
        controller.signal,
        clock,
      );
      const kept = secrets.recordable(result, recorded);
      const fault = storabilityFault(kept.value);
      return fault ? { ok: false, failure: new StepFailure(fault.code, fault.message, { retryable: false }) } : { ok: true, result: kept };
    } catch (thrown) {
      // What was not begun for a cancel has no outcome of its own: the cancel says what becomes of it, once it is heard.
      if (thrown instanceof StepFailure && thrown.origin === 'abort' && this.run.hearsCancel()) await this.run.committed();
      return { ok: false, failure: this.failureOf(this.redacted(thrown), controller.signal) };
    } finally {
      if (kind.effect) attempting.effects -= 1;
      reports.close();
      stopTimer?.();
    }
  }

  private reportsOf({ step, wave, path }: Attempt, attempting: Attempting): ProgressReports {
    return new ProgressReports(this.run.clock, (report) => {
      if (!this.isUnderWay(step, attempting) || this.run.isOver()) return;
      this.run.feed({ kind: 'parts', step, wave, events: [{ ...report, ofAction: true, ...(path === undefined ? {} : { path }) }] });
    });
  }

  /** Where time has passed since the attempt was told to begin: an effect begins under the lease alone (D13), and after a cancel only what undoes (D28). */
  private checkBegin({ kind, step }: Attempt, signal: AbortSignal): void {
    signal.throwIfAborted();
    const isCancelled = this.run.hearsCancel() && this.run.playbook.steps[step]!.undoes === null;
    if (kind.effect && (isCancelled || !this.run.mayAct())) throw notBegun();
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
