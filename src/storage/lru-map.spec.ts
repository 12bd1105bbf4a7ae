import fc from 'fast-check';
import { LruMap } from './lru-map.js';

describe(LruMap.name, () => {
  it('keeps what was used last', () => {
    const map = new LruMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    map.get('a');
    map.set('c', 3);
    expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([1, undefined, 3]);
  });

  it('weighs', () => {
    const map = new LruMap<string, number>(10);
    map.set('a', 1, 4);
    map.set('b', 2, 4);
    map.set('a', 3, 5);
    map.set('c', 4, 3);
    expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([3, undefined, 4]);
    map.set('d', 5, 11);
    expect(map.get('d')).toBeUndefined();
    map.delete('c');
    map.set('e', 6, 10);
    expect(map.get('e')).toBe(6);
  });

  it('behaves like a list of the most recently used keys', () => {
    const operation = fc.tuple(fc.constantFrom('get', 'set', 'delete'), fc.integer({ min: 0, max: 6 }));
    fc.assert(
      fc.property(fc.array(operation), (operations) => {
        const map = new LruMap<number, number>(3);
        let model: number[] = [];
        for (const [name, key] of operations) {
          if (name === 'get') expect(map.get(key) !== undefined).toBe(model.includes(key));
          const known = model.includes(key);
          if (name === 'set') map.set(key, key);
          if (name === 'delete') map.delete(key);
          model = model.filter((each) => each !== key);
          if (name === 'set' || (name === 'get' && known)) model = [...model, key].slice(-3);
        }
        for (const key of model) expect(map.get(key)).toBe(key);
      }),
    );
  });
});
