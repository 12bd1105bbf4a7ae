import fc from 'fast-check';
import { firstIdAt, ID_EPOCH_MS, IdMint, mintedAt, type NodeNumber, NodeNumberExpired } from './ids.js';

const LAST_MS = 2 ** 41 - 2;

describe(IdMint.name, () => {
  it('packs time, node and counter as the exact arithmetic does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: LAST_MS }),
        fc.integer({ min: 0, max: 1023 }),
        fc.integer({ min: 1, max: 5000 }),
        (ms, number, count) => {
          const mint = new IdMint(
            () => ({ number, highWater: 0, limit: Infinity }),
            () => ID_EPOCH_MS + ms,
          );
          const ids = Array.from({ length: count }, () => mint.next());
          const k = count - 1;
          const expected = (BigInt(ms) + BigInt(Math.floor(k / 4096))) * 2n ** 22n + BigInt(number) * 4096n + BigInt(k % 4096);
          expect(ids.at(-1)).toBe(String(expected));
          expect(ids[0]).toBe(String(BigInt(ms) * 2n ** 22n + BigInt(number) * 4096n));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('ascends over clock steps back and starts above the high-water mark of an earlier owner', () => {
    let now = ID_EPOCH_MS + 1_000_000;
    const mint = new IdMint(
      () => ({ number: 7, highWater: 2_000_000, limit: Infinity }),
      () => now,
    );
    let last = 0n;
    for (const step of [0, 5, -500_000, 3_000_000, -1, -2_999_999, 0]) {
      now += step;
      for (let i = 0; i < 5000; i++) {
        const id = BigInt(mint.next());
        expect(id > last).toBe(true);
        last = id;
      }
    }
    expect(mintedAt(String(last))).toBeGreaterThanOrEqual(ID_EPOCH_MS + 2_000_001);
  });

  it('never repeats an id over nodes', () => {
    const mints = [0, 1, 511, 1023].map((number) => new IdMint(() => ({ number, highWater: 0, limit: Infinity })));
    const ids = Array.from({ length: 20_000 }, (_, i) => mints[i % mints.length]?.next());
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('mints nothing with an expired number', () => {
    let node: NodeNumber | null = { number: 1, highWater: 0, limit: Infinity };
    const mint = new IdMint(() => node);
    mint.next();
    node = null;
    expect(() => mint.next()).toThrow(NodeNumberExpired);
    node = { number: 1, highWater: 0, limit: 1000 };
    expect(() => mint.next()).toThrow(NodeNumberExpired);
  });

  it('knows the moment of an id', () => {
    const at = Date.UTC(2026, 5, 1);
    expect(mintedAt(String(firstIdAt(at)))).toBe(at);
  });
});
