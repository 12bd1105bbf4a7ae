import { type CompiledPlaybook } from './playbook/compile.js';
import { type Clock, type HeldRun } from './ports.js';
import { type AttemptOutcome, type Perform, type Stimulus } from './run/decision.js';
import { storabilityFault } from './storability.js';
import { StepFailure, type StepKind } from './step-executor.js';

interface Attempt {
  readonly wave: number;
  readonly controller: AbortController;
  readonly effect: boolean;
}

/** A step that ignores its abort signal is given this long before its outcome is decided without it. */
const ABORT_GRACE_MS = 5_000;

/**
 * Runs the attempts of one run's steps: hands the recorded request to the step kind, owns time-out and abort, and feeds
 * exactly one `settled` per attempt back, unless the run has let go of it.
 */
export class Performer {
  private readonly attempts = new Map<number, Attempt>();

  constructor(
    private readonly playbook: CompiledPlaybook,
    private readonly held: HeldRun,
    private readonly clock: Clock,
    private readonly admit: (bytes: number, signal: AbortSignal) => Promise<void>,
    private readonly feed: (stimulus: Stimulus) => void,
  ) {}

  perform(perform: Perform): void {
    const step = this.playbook.steps[perform.step]!;
    const performer = step.action?.performer;
    if (performer?.does !== 'step') return this.refuse(perform);
    const controller = new AbortController();
    const attempt: Attempt = { wave: perform.wave, controller, effect: perform.effect };
    this.attempts.set(perform.step, attempt);
    const since = this.clock.monotonic();
    void this.outcomeOf(performer.kind, perform, step.name, controller).then((outcome) => {
      if (this.attempts.get(perform.step) !== attempt) return; // the run has let go of it
      this.attempts.delete(perform.step);
      this.feed({ kind: 'settled', step: perform.step, wave: perform.wave, outcome, durationMs: this.clock.monotonic() - since });
    });
  }

  /** Whether something that the world can see is under way. */
  get hasEffects(): boolean {
    for (const { effect } of this.attempts.values()) if (effect) return true;
    return false;
  }

  /** Settles an attempt that never begins, because the run is being cancelled or has failed. */
  refuse(perform: Perform): void {
    const failure = new StepFailure('cancelled', 'The step was not begun.', { retryable: false });
    queueMicrotask(() =>
      this.feed({ kind: 'settled', step: perform.step, wave: perform.wave, outcome: { ok: false, failure }, durationMs: 0 }),
    );
  }

  abort(step: number, code: 'cancelled'): void {
    this.attempts.get(step)?.controller.abort(new StepFailure(code, 'The step was aborted.', { retryable: false }));
  }

  /** Aborts everything and forgets it: no outcome is fed back any more. */
  abortAll(): void {
    for (const { controller } of this.attempts.values())
      controller.abort(new StepFailure('cancelled', 'The step was aborted.', { retryable: false }));
    this.attempts.clear();
  }

  private async outcomeOf(kind: StepKind, perform: Perform, step: string, controller: AbortController): Promise<AttemptOutcome> {
    const { run, claimNo } = this.held;
    const { timeoutMs } = perform;
    const stopTimer =
      timeoutMs === null
        ? undefined
        : this.clock.after(timeoutMs, () =>
            controller.abort(new StepFailure('timeout', `The step did not end within ${timeoutMs / 1000} s.`)),
          );
    try {
      const result = await orAborted(
        kind.execute(perform.request, {
          tenantId: run.tenantId,
          executionId: run.id,
          step,
          wave: perform.wave,
          attempt: perform.attempt,
          claimNo,
          idempotencyKey: `${run.id}/${step}/${perform.wave}/-/action`,
          signal: controller.signal,
          admit: (bytes) => this.admit(bytes, controller.signal),
        }),
        controller.signal,
        this.clock,
      );
      const fault = storabilityFault(result.value);
      return fault ? { ok: false, failure: new StepFailure(fault.code, fault.message, { retryable: false }) } : { ok: true, result };
    } catch (thrown) {
      return { ok: false, failure: this.failureOf(thrown, controller.signal) };
    } finally {
      stopTimer?.();
    }
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
async function orAborted<T>(work: Promise<T>, signal: AbortSignal, clock: Clock): Promise<T> {
  let stopTimer: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => (stopTimer = clock.after(ABORT_GRACE_MS, () => reject(signal.reason as Error))), { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    stopTimer?.();
  }
}
