import { LargeWork } from './large-work.js';
import { PROCESS_TIMING, type Timing } from '../timing.js';

/** A clock that only moves where the test, or somebody who sleeps, moves it; the end of a turn comes when it is called. */
function scripted(): { timing: Timing; work: (ms: number) => void; endTurn: () => void; slept: () => number } {
  let now = 0;
  let slept = 0;
  const ends: (() => void)[] = [];
  const timing: Timing = {
    ...PROCESS_TIMING,
    monotonic: () => now,
    after: (_ms, fire) => (ends.push(fire), () => undefined),
    sleep: (ms) => {
      now += ms;
      slept += ms;
      return Promise.resolve();
    },
  };
  return { timing, work: (ms) => (now += ms), endTurn: () => ends.splice(0).forEach((end) => end()), slept: () => slept };
}

describe(LargeWork.name, () => {
  it('lets a piece begin at once where none was, and the next after a rest of twice what it took', async () => {
    const { timing, work, endTurn, slept } = scripted();
    const large = new LargeWork(timing);
    await large.turn();
    work(100);
    expect(large.restMs()).toBeGreaterThan(0);
    endTurn();
    await large.turn();
    expect(slept()).toBe(200);
  });

  it('counts pieces of others, and lets nobody overtake', async () => {
    const { timing, work, endTurn, slept } = scripted();
    const large = new LargeWork(timing);
    const since = timing.monotonic();
    work(30);
    large.begun(since);
    endTurn();
    const order: number[] = [];
    const both = Promise.all([large.turn().then(() => (order.push(1), endTurn())), large.turn().then(() => order.push(2))]);
    await both;
    expect(order).toEqual([1, 2]);
    expect(slept()).toBe(60);
  });

  it('lets the database rest for twice as long as it took', async () => {
    const { timing, work, endTurn, slept } = scripted();
    const large = new LargeWork(timing);
    await large.turn();
    work(10);
    endTurn();
    work(90);
    large.stored(90);
    await large.turn();
    expect(slept()).toBe(180);
  });

  it('does not wait long for a database that took long', async () => {
    const { timing, slept } = scripted();
    const large = new LargeWork(timing);
    large.stored(600_000);
    await large.turn();
    expect(slept()).toBe(2_000);
  });
});
