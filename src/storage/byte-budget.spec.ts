import { ByteBudget } from './byte-budget.js';

/** Owners that ask; who got what so far, in order. */
class Asking {
  readonly got: string[] = [];
  readonly failed: unknown[] = [];

  constructor(readonly budget: ByteBudget) {}

  async ask(owner: string, bytes: number, signal = new AbortController().signal): Promise<void> {
    this.budget.admit(owner, bytes, signal).then(
      () => this.got.push(`${owner} ${bytes}`),
      (error: unknown) => this.failed.push(error),
    );
    await turn();
  }

  async release(owner: string): Promise<void> {
    this.budget.release(owner);
    await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
let asking: Asking;
beforeEach(() => (asking = new Asking(new ByteBudget(100))));

describe(ByteBudget.name, () => {
  it('grants what fits, and the rest in order of arrival as room is made', async () => {
    for (const [owner, bytes] of [
      ['a', 60],
      ['b', 40],
      ['c', 50],
      ['d', 10],
      ['e', 1],
    ] as const)
      await asking.ask(owner, bytes);
    expect(asking.got).toEqual(['a 60', 'b 40']);
    expect([asking.budget.heldBytes, asking.budget.waitingBytes]).toEqual([100, 61]);
    // Small ones do not overtake: whoever needs much would wait for ever.
    await asking.release('b');
    expect(asking.got).toEqual(['a 60', 'b 40']);
    await asking.release('a');
    expect(asking.got).toEqual(['a 60', 'b 40', 'c 50', 'd 10', 'e 1']);
    expect([asking.budget.heldBytes, asking.budget.waitingBytes]).toEqual([61, 0]);
  });

  it('grants one value alone, however large', async () => {
    await asking.ask('a', 1);
    await asking.ask('b', 1_000);
    expect(asking.got).toEqual(['a 1']);
    await asking.release('a');
    expect(asking.got).toEqual(['a 1', 'b 1000']);
    await asking.ask('c', 1);
    await asking.release('b');
    expect(asking.got).toEqual(['a 1', 'b 1000', 'c 1']);
  });

  it('lets whoever has held some for longest go on beyond the limit, so that nobody waits in a circle', async () => {
    await asking.ask('a', 50);
    await asking.ask('b', 50);
    await asking.ask('c', 10);
    await asking.ask('b', 30);
    expect(asking.got).toEqual(['a 50', 'b 50']);
    await asking.ask('a', 30);
    expect(asking.got).toEqual(['a 50', 'b 50', 'a 30']);
    // Now b has held some for longest; c came earlier, and has nothing to give back.
    await asking.release('a');
    expect(asking.got).toEqual(['a 50', 'b 50', 'a 30', 'b 30', 'c 10']);
  });

  it('prefers whoever holds some to whoever begins', async () => {
    await asking.ask('a', 40);
    await asking.ask('b', 30);
    await asking.ask('c', 30);
    await asking.ask('new', 10);
    await asking.ask('c', 20);
    await asking.release('b');
    expect(asking.got).toEqual(['a 40', 'b 30', 'c 30', 'c 20', 'new 10']);
  });

  it('forgets whoever is aborted, and goes on to the next', async () => {
    const controller = new AbortController();
    await asking.ask('a', 60);
    await asking.ask('b', 50, controller.signal);
    await asking.ask('c', 40);
    expect(asking.got).toEqual(['a 60']);
    const reason = new Error('too late');
    controller.abort(reason);
    await turn();
    expect([asking.failed, asking.got]).toEqual([[reason], ['a 60', 'c 40']]);
    await asking.ask('d', 0, controller.signal);
    expect(asking.failed).toEqual([reason, reason]);
    // What was granted is held until it is released, whatever becomes of the signal.
    const later = new AbortController();
    await asking.release('c');
    await asking.ask('e', 40, later.signal);
    later.abort(reason);
    expect([asking.budget.heldBytes, asking.budget.waitingBytes]).toEqual([100, 0]);
  });

  it('releases all of an owner, and nothing of one it does not know', async () => {
    await asking.ask('a', 10);
    await asking.ask('a', 20);
    await asking.release('nobody');
    expect(asking.budget.heldBytes).toBe(30);
    await asking.release('a');
    await asking.release('a');
    expect(asking.budget.heldBytes).toBe(0);
  });

  it('is a share of the heap where nothing is said', () => {
    expect(new ByteBudget().limit).toBeGreaterThan(1_048_576);
  });
});
