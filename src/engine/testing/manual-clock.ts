import { type Clock } from '../ports.js';

/** A clock that stands until a test moves it. */
export class ManualClock implements Clock {
  private at = Date.UTC(2026, 0, 1);
  private readonly timers = new Set<{ readonly dueAt: number; readonly fire: () => void }>();

  now = (): number => this.at;
  monotonic = (): number => this.at;

  after(delayMs: number, fire: () => void): () => void {
    const timer = { dueAt: this.at + delayMs, fire };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Timers that wait. */
  get size(): number {
    return this.timers.size;
  }

  /** Moves on and fires what is due by then, timers of no delay included. */
  advance(ms: number): void {
    this.at += ms;
    for (const timer of [...this.timers]) {
      if (timer.dueAt > this.at || !this.timers.delete(timer)) continue;
      timer.fire();
    }
  }
}
