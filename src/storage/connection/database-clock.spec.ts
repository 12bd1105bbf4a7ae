import { DatabaseClock } from './database-clock.js';
import { PROCESS_TIMING } from '../timing.js';

/** A monotonic clock moved by hand, on a machine whose own clock is wrong. */
function clockAt(): { clock: DatabaseClock; pass: (ms: number) => void } {
  let monotonic = 5_000;
  const clock = new DatabaseClock({ ...PROCESS_TIMING, now: () => 42, monotonic: () => monotonic });
  return { clock, pass: (ms) => void (monotonic += ms) };
}

describe(DatabaseClock.name, () => {
  it('is the clock of the machine until the database has said a time, and goes on from there by itself', () => {
    const { clock, pass } = clockAt();
    expect(clock.now()).toBe(42);
    clock.heard(1_000_000);
    pass(7_000);
    expect(clock.now()).toBe(1_007_000);
  });

  it('follows the quickest answer: a slow one does not set it back, a quicker one brings it on', () => {
    const { clock, pass } = clockAt();
    clock.heard(1_000_000); // true time 1_000_005
    pass(100);
    clock.heard(1_000_060); // took 45 ms
    expect(clock.now()).toBe(1_000_100);
    pass(100);
    clock.heard(1_000_204); // took 1 ms
    expect(clock.now()).toBe(1_000_204);
  });

  it('forgets what it knew of a clock that was set back, after two windows at most', () => {
    const { clock, pass } = clockAt();
    clock.heard(9_000_000);
    for (let minute = 0; minute < 3; minute++) {
      pass(60_000);
      clock.heard(1_000_000 + minute * 60_000);
    }
    expect(clock.now()).toBe(1_120_000);
  });
});
