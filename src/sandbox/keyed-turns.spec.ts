import { KeyedTurns } from './keyed-turns.js';

const never = new AbortController().signal;

describe(KeyedTurns.name, () => {
  it('lets one in per key, in order, and lets a waiting one leave', async () => {
    const turns = new KeyedTurns();
    const seen: string[] = [];
    const take = async (key: string, name: string, signal = never) => {
      const leave = await turns.enter(key, signal);
      seen.push(name);
      return leave;
    };
    const first = await take('a', 'a1');
    await take('b', 'b1');
    const abort = new AbortController();
    const second = take('a', 'a2', abort.signal);
    const third = take('a', 'a3');
    abort.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    await Promise.resolve();
    expect(seen).toEqual(['a1', 'b1']);
    first();
    (await third)();
    expect(seen).toEqual(['a1', 'b1', 'a3']);
    (await take('a', 'a4'))();
    await expect(turns.enter('a', AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
  });
});
