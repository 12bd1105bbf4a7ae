import { type Clock } from './ports.js';

/** A step that waits for a time. */
export interface Parked {
  readonly step: number;
  readonly wave: number;
  /** Epoch milliseconds. */
  readonly dueAt: number;
  readonly since: number;
}

/** The steps of one run that wait for a time, each with its timer. */
export class ParkedSteps {
  private readonly byStep = new Map<number, Parked & { readonly cancel: () => void }>();

  constructor(
    private readonly clock: Clock,
    private readonly due: (parked: Parked) => void,
  ) {}

  get size(): number {
    return this.byStep.size;
  }

  /** The wait that is over first. */
  get first(): Parked | null {
    let first: Parked | null = null;
    for (const parked of this.byStep.values()) if (!first || parked.dueAt < first.dueAt) first = parked;
    return first;
  }

  park(step: number, wave: number, dueAt: number, since = this.clock.now()): void {
    this.forget(step);
    const parked: Parked = { step, wave, dueAt, since };
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
    for (const step of [...this.byStep.keys()]) if (!holds(step)) this.forget(step);
  }

  /** Stops the timers and keeps the waits. */
  pause(): void {
    for (const { cancel } of this.byStep.values()) cancel();
  }

  /** Runs paused timers again, from when their waits began. */
  resume(): void {
    for (const { step, wave, dueAt, since } of [...this.byStep.values()]) this.park(step, wave, dueAt, since);
  }

  clear(): void {
    this.retain(() => false);
  }
}
