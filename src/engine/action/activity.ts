import { type Clock } from '../ports.js';

/** A part that waits: for a time (epoch ms), or (Infinity) until it is told something. */
interface Sleep {
  readonly until: number;
  wake(): void;
  /** It never wakes by itself any more. */
  stop(): void;
}

const nothing = (): void => undefined;

/**
 * Whether something of a program is under way, or all of it sleeps or is held back. A program whose parts all sleep costs a row, not memory: its
 * run may give the lease back, and the program is made again from its records.
 */
export class Activity {
  private active = 0;
  private readonly sleeps = new Set<Sleep>();
  /** What is held back. */
  private readonly holds = new Set<() => void>();
  private told = false;
  private checking = false;

  /**
   * @param isPausing whether nothing begins for now: then what sleeps is held back like what was not begun
   * @param tell with the earliest end of the sleeps where nothing is active, `held` where it is held back, null where something is again
   */
  constructor(
    private readonly clock: Clock,
    private readonly signal: AbortSignal,
    private readonly isPausing: () => boolean,
    private readonly tell: (what: number | 'held' | null) => void,
  ) {}

  /** Counts work as under way until it settles. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.active += 1;
    this.wake();
    try {
      return await work;
    } finally {
      this.active -= 1;
      this.check();
    }
  }

  /** Resolves at the time (epoch ms), or when it is woken before; rejects with the abort's reason. */
  async sleepUntil(until: number): Promise<void> {
    const { clock, signal } = this;
    const sleep: Sleep = { until, wake: nothing, stop: nothing };
    this.sleeps.add(sleep);
    this.check();
    try {
      await orAborted(signal, (wake) => {
        const stop = clock.after(Math.max(0, until - clock.now()), wake);
        Object.assign(sleep, { wake, stop });
        return stop;
      });
    } finally {
      this.sleeps.delete(sleep);
      this.wake();
      this.check();
    }
  }

  /** Resolves when it is told; rejects with the abort's reason. @param listen gives back how to stop listening */
  async sleepUntilTold(listen: (told: () => void) => () => void): Promise<void> {
    const { signal } = this;
    const sleep: Sleep = { until: Infinity, wake: nothing, stop: nothing };
    this.sleeps.add(sleep);
    this.check();
    try {
      await orAborted(signal, listen);
    } finally {
      this.sleeps.delete(sleep);
      this.wake();
      this.check();
    }
  }

  /** Resolves once it is pausing no more; rejects with the abort's reason. */
  async hold(): Promise<void> {
    this.check();
    await orAborted(this.signal, (goOn) => {
      this.holds.add(goOn);
      return () => this.holds.delete(goOn);
    });
  }

  /** Ends the sleep of all that wait for a time. */
  wakeAll(): void {
    this.wake();
    for (const sleep of this.sleeps) sleep.wake();
  }

  /** Nobody goes on here any more: what sleeps never wakes. */
  letGo(): void {
    for (const sleep of this.sleeps) sleep.stop();
  }

  /** Whether it is pausing has changed. */
  review(): void {
    this.wake();
    if (!this.isPausing()) for (const goOn of this.holds) goOn();
    this.check();
  }

  private wake(): void {
    if (!this.told) return;
    this.told = false;
    this.tell(null);
  }

  /** A turn later, when what has settled has had the time to begin something else. */
  private check(): void {
    if (this.active > 0 || this.checking) return;
    this.checking = true;
    this.clock.after(0, () => {
      this.checking = false;
      if (this.active > 0 || this.told || this.signal.aborted) return;
      // What was called goes on meanwhile: until its end is heard there is something under way.
      const until = Math.min(...[...this.sleeps].map((sleep) => sleep.until));
      const waitsForCalls = [...this.sleeps].some((sleep) => sleep.until === Infinity);
      const isHeld = this.holds.size > 0 || (this.sleeps.size > 0 && this.isPausing());
      if (isHeld && !waitsForCalls) {
        this.told = true;
        this.tell('held');
      } else if (this.sleeps.size > 0) {
        this.told = true;
        this.tell(until);
      }
    });
  }
}

/** Resolves when what `begin` starts says so; rejects with the abort's reason. @param begin gives back how to stop it */
async function orAborted(signal: AbortSignal, begin: (resolve: () => void) => () => void): Promise<void> {
  let stop: (() => void) | undefined;
  let abort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      abort = () => reject(signal.reason as Error);
      if (signal.aborted) return abort();
      signal.addEventListener('abort', abort, { once: true });
      stop = begin(resolve);
    });
  } finally {
    stop?.();
    if (abort) signal.removeEventListener('abort', abort);
  }
}
