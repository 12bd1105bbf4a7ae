import { Alarm } from './alarm.js';
import { ParkedSteps } from './parked-steps.js';
import { type Performer } from './performer.js';
import { type Clock, type Unit } from './ports.js';
import { type Decision, type Stimulus } from './run/decision.js';
import { type RunFacts } from './run/run-scope.js';
import { type RunState } from './run/run-state.js';
import { type AsleepUntil, onlyWaits, ownDueAt, wakeAt } from './run/schedule.js';

/** What is asked of the run whose timers they are. */
export interface TimedRun {
  readonly clock: Clock;
  readonly state: RunState;
  readonly facts: RunFacts;
  /** See OrchestratorOptions. */
  readonly parkAfterMs: number | null;
  feed(stimulus: Stimulus): void;
  /** It has stayed for what it called as long as it may. */
  stayed(): void;
}

/** What brings a run on by time alone, while it is in memory: the waits of its steps, its own start and its time-out; and when it need not be there. */
export class RunTimers {
  private readonly parked: ParkedSteps;
  private readonly own: Alarm;
  /** Ends the wait for what this run called; null: none. */
  private staying: (() => void) | null = null;

  constructor(private readonly run: TimedRun) {
    const { clock } = run;
    this.parked = new ParkedSteps(clock, ({ step, wave }) => run.feed({ kind: 'due', step, wave }));
    this.own = new Alarm(clock, () => run.feed({ kind: 'continue' }));
  }

  /** Steps begin to wait; those that are over wait no longer. */
  park(waits: Decision['timers']): void {
    for (const { step, wave, dueAt } of waits) this.parked.park(step, wave, dueAt);
    this.parked.retain((step) => this.run.state.running.has(step));
  }

  /** @param isLeaving the run has come to its end here, or will as soon as that is committed */
  setOwn(isLeaving: boolean): void {
    const { state, facts, clock } = this.run;
    this.own.set(isLeaving ? null : ownDueAt(state, facts, clock.now()));
  }

  /** A step's wait tells nothing until it is resumed. */
  pauseSteps(): void {
    this.parked.pause();
  }

  resumeSteps(): void {
    this.parked.resume();
  }

  clearSteps(): void {
    this.parked.clear();
  }

  stop(): void {
    this.parked.clear();
    this.own.set(null);
    this.staying?.();
    this.staying = null;
  }

  /**
   * A run in which everything waits for long costs a row, not memory: it releases its lease with the time at which the
   * first wait is over, and whoever claims it then goes on (D18). A paused one has no such time: only a message wakes it (D28).
   * @returns null where the run stays
   */
  releaseOf(asleepUntil: AsleepUntil, performer: Pick<Performer, 'waitsForCallsSince'> | null): Unit['release'] {
    const { state, facts, clock, parkAfterMs } = this.run;
    if (parkAfterMs === null) return null;
    const now = clock.now();
    if (!onlyWaits(state, facts, now, asleepUntil)) return null;
    const dueAt = wakeAt(state, facts, now, asleepUntil);
    if (dueAt !== null && dueAt - now <= parkAfterMs) return null;
    const since = performer?.waitsForCallsSince ?? null;
    const left = since === null ? 0 : since + parkAfterMs - clock.monotonic();
    if (left <= 0) return { wakeAt: dueAt };
    // What it called may run here and end soon: then it need not be claimed again.
    this.stay(Math.ceil(left));
    return null;
  }

  private stay(ms: number): void {
    this.staying ??= this.run.clock.after(ms, () => {
      this.staying = null;
      this.run.stayed();
    });
  }
}
