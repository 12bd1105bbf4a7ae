import { type Clock } from './ports.js';

/** A step that waits for a time. */
export interface Parked {
  readonly step: number;
  readonly wave: number;
  /** Epoch milliseconds. */
  readonly dueAt: number;
}

/** The steps of one run that wait for a time, each with its timer. */
export class ParkedSteps {
  private readonly byStep = new Map<number, Parked & { readonly cancel: () => void }>();

  constructor(
    private readonly clock: Clock,
    private readonly due: (parked: Parked) => void,
  ) {}

  park(step: number, wave: number, dueAt: number): void {
    this.forget(step);
    const parked: Parked = { step, wave, dueAt };
    const cancel = this.clock.after(Math.max(0, dueAt - this.clock.now()), () => {
      this.byStep.delete(step);
      this.due(parked);
    });
    this.byStep.set(step, { ...parked, cancel });
  }

  forget(step: number): void {
    this.byStep.get(step)?.cancel();
    this.byStep.delete(step);
  }

  /** Keeps only these steps. */
  retain(holds: (step: number) => boolean): void {
    if (this.byStep.size === 0) return;
    for (const step of [...this.byStep.keys()]) if (!holds(step)) this.forget(step);
  }

  /** Stops the timers and keeps the waits. */
  pause(): void {
    for (const { cancel } of this.byStep.values()) cancel();
  }

  /** Runs paused timers again. */
  resume(): void {
    for (const { step, wave, dueAt } of [...this.byStep.values()]) this.park(step, wave, dueAt);
  }

  clear(): void {
    this.retain(() => false);
  }
}
