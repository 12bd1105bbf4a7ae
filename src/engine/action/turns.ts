import { type Clock } from '../ports.js';

/** Milliseconds after which programs let the event loop have a turn. */
const TURN_MS = 10;

const known = new WeakMap<Clock, Turns>();

/**
 * The turns of the event loop, which all programs on one clock share. What only computes awaits nothing but microtasks: without asking here it would
 * hold the process until all of it is done, and with it every lease and request (R14).
 */
export class Turns {
  private since = 0;
  private next: Promise<void> | null = null;

  private constructor(private readonly clock: Clock) {}

  static of(clock: Clock): Turns {
    let turns = known.get(clock);
    if (!turns) known.set(clock, (turns = new Turns(clock)));
    return turns;
  }

  /** The next turn, where programs have worked long enough in this one; null: go on. */
  wait(): Promise<void> | null {
    const now = this.clock.monotonic();
    if (this.next) return now - this.since < TURN_MS ? null : this.next;
    this.since = now;
    this.next = new Promise((resolve) => {
      this.clock.after(0, () => {
        this.next = null;
        resolve();
      });
    });
    return null;
  }
}
