import { type CatalogEntry } from '../storage/catalog-entry.js';
import { PathVersions, type PathState } from './path-versions.js';

/** A database whose answers are given by hand. */
function fakeReads(): {
  read: () => Promise<PathState>;
  answer: (tag: string) => Promise<void>;
  fail: () => Promise<void>;
  count: () => number;
} {
  const waiting: { resolve: (state: PathState) => void; reject: (error: Error) => void }[] = [];
  let count = 0;
  const settled = (): Promise<void> => new Promise((done) => setImmediate(done));
  return {
    read: () => {
      count += 1;
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    answer: (tag) => {
      waiting.shift()?.resolve({ versions: [], tags: new Map([[tag, '1']]) });
      return settled();
    },
    fail: () => {
      waiting.shift()?.reject(new Error('connection lost'));
      return settled();
    },
    count: () => count,
  };
}

describe(PathVersions.name, () => {
  let now = 0;
  let database = fakeReads();
  let paths = new PathVersions(database.read, () => now);
  beforeEach(() => {
    now = 0;
    database = fakeReads();
    paths = new PathVersions(database.read, () => now);
  });
  const tagsOf = async (): Promise<string[]> => [...(await paths.of('t', 'a')).state.tags.keys()];

  it('reads once for callers at the same time and keeps the answer', async () => {
    const both = Promise.all([tagsOf(), tagsOf()]);
    await database.answer('first');
    expect(await both).toEqual([['first'], ['first']]);
    now = 499;
    expect(await tagsOf()).toEqual(['first']);
    expect(database.count()).toBe(1);
  });

  it('reads anew where that is asked for, also while it reads; what began earlier is not kept', async () => {
    const first = tagsOf();
    const anew = paths.anew('t', 'a');
    await database.answer('first');
    await database.answer('second');
    expect([await first, [...(await anew).state.tags.keys()]]).toEqual([['first'], ['second']]);
    expect(await tagsOf()).toEqual(['second']);
    expect(database.count()).toBe(2);
  });

  it('reads anew behind the back of a caller once the answer is not fresh', async () => {
    const first = tagsOf();
    await database.answer('first');
    await first;
    now = 500;
    expect(await tagsOf()).toEqual(['first']);
    expect(database.count()).toBe(2);
    await database.answer('second');
    expect(await tagsOf()).toEqual(['second']);
  });

  it('uses nothing older than a second, counted from the start of the reading', async () => {
    const first = tagsOf();
    now = 300;
    await database.answer('first');
    await first;
    now = 1000;
    const second = tagsOf();
    await database.answer('second');
    expect(await second).toEqual(['second']);
  });

  it('neither keeps nor shares a reading that began before a change', async () => {
    const before = tagsOf();
    paths.forget('t', 'a');
    const after = tagsOf();
    expect(database.count()).toBe(2);
    await database.answer('old');
    expect(await before).toEqual(['old']);
    const meanwhile = tagsOf();
    await database.answer('new');
    expect(await meanwhile).toEqual(['new']);
    expect(await after).toEqual(['new']);
    expect(await tagsOf()).toEqual(['new']);
    expect(database.count()).toBe(2);
  });

  it('survives a failed refresh', async () => {
    const first = tagsOf();
    await database.answer('first');
    await first;
    now = 600;
    await tagsOf();
    await database.fail();
    now = 700;
    expect(await tagsOf()).toEqual(['first']);
    expect(database.count()).toBe(3);
  });

  it('does not keep a failure', async () => {
    const failing = tagsOf();
    const seen = expect(failing).rejects.toThrow('connection lost');
    await database.fail();
    await seen;
    const second = tagsOf();
    await database.answer('second');
    expect(await second).toEqual(['second']);
  });

  it('keeps as many versions as a node can bear, however few paths have them', async () => {
    const read: string[] = [];
    const entry = {} as CatalogEntry;
    const many = new PathVersions(
      (_tenant, path) => {
        read.push(path);
        return Promise.resolve({ versions: Array<CatalogEntry>(60_000).fill(entry), tags: new Map() });
      },
      () => now,
    );
    for (const path of ['a', 'b', 'b', 'a']) await many.of('t', path);
    expect(read).toEqual(['a', 'b', 'a']);
  });
});
