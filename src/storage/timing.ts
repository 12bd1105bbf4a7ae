import { randomUUID } from 'node:crypto';
import { type Clock } from '../engine/ports.js';

/** Longest delay that one timer of Node takes; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** Clocks, timers and chance, as far as storage and worker use them: the process's own, or those of a simulated node. */
export interface Timing extends Clock {
  /** Calls `fire` every so many milliseconds until the returned function is called; keeps no process alive. */
  every(ms: number, fire: () => void): () => void;
  sleep(ms: number): Promise<void>;
  /** Uniform in [0, 1). */
  random(): number;
  /** A fresh lease token: a uuid. */
  token(): string;
}

/** For constructors that Nest calls; the process's own where nothing is provided. */
export const TIMING = Symbol('TIMING');

/** The clocks and timers of this process. */
export const PROCESS_TIMING: Timing = {
  now: Date.now,
  monotonic: () => performance.now(),
  random: Math.random,
  token: randomUUID,
  after(delayMs, fire) {
    if (delayMs <= 0) {
      const immediate = setImmediate(fire);
      return () => clearImmediate(immediate);
    }
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      timer = leftMs > LONGEST_TIMER_MS ? setTimeout(() => wait(leftMs - LONGEST_TIMER_MS), LONGEST_TIMER_MS) : setTimeout(fire, leftMs);
    };
    wait(delayMs);
    return () => clearTimeout(timer);
  },
  every(ms, fire) {
    const timer = setInterval(fire, ms).unref();
    return () => clearInterval(timer);
  },
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};
