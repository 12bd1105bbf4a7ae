import { PROCESS_TIMING, type Timing } from '../timing.js';

/** How long small work is let go first after a large piece, in multiples of what the piece took. */
const REST = 2;
/** One that takes longer waits for something else than processors. */
const LONGEST_DATABASE_REST_MS = 2_000;
/** Longest look ahead: a piece under way has no end yet. */
const LOOK_AGAIN_MS = 20;

/**
 * Whoever reads or writes the JSON of a large value holds up everything else of this process for as long as it takes. One such piece of work at a time,
 * and a rest after each: so small work waits for one at most, and has most of the processor (R9, R14).
 */
export class LargeWork {
  private freeAt = -Infinity;
  /** Until then the database rests. */
  private storedUntil = -Infinity;
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly timing: Timing = PROCESS_TIMING) {}

  /** Milliseconds after which to look again whether a piece may begin; 0: it may now. */
  restMs(): number {
    const rest = Math.max(this.freeAt, this.storedUntil) - this.timing.monotonic();
    return rest <= 0 ? 0 : Math.min(rest, LOOK_AGAIN_MS);
  }

  /** A piece began at `since` (monotonic), and ends with this turn of the loop. */
  begun(since: number): void {
    this.freeAt = Infinity;
    this.timing.after(0, () => {
      const now = this.timing.monotonic();
      this.freeAt = now + REST * (now - since);
    });
  }

  /** What a piece asked of the database took so long: it is let rest from large values as well, where it may share its processors with this process. */
  stored(ms: number): void {
    this.storedUntil = this.timing.monotonic() + Math.min(REST * ms, LONGEST_DATABASE_REST_MS);
  }

  /** Resolves when a piece may begin, in order of arrival; it must begin at once. */
  turn(): Promise<void> {
    this.last = this.last.then(async () => {
      for (let rest = this.restMs(); rest > 0; rest = this.restMs()) await this.timing.sleep(rest);
      this.begun(this.timing.monotonic());
    });
    return this.last;
  }
}
