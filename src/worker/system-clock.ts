import { type Clock } from '../engine/ports.js';

/** Longest delay that one timer of Node takes; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** The clocks and timers of this process. */
export const SYSTEM_CLOCK: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
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
};
