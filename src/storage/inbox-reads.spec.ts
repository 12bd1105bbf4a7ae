import { InboxReads } from './inbox-reads.js';

interface Asked {
  readonly ids: readonly string[];
  readonly answer: (rows: readonly object[]) => void;
  readonly fail: (error: Error) => void;
}

describe(InboxReads.name, () => {
  const asked: Asked[] = [];
  const reads = (): InboxReads =>
    new InboxReads({
      query: <Row>(_name: string, _text: string, values: readonly unknown[]) =>
        new Promise<Row[]>((resolve, reject) =>
          asked.push({ ids: values[0] as string[], answer: (rows) => resolve(rows as Row[]), fail: reject }),
        ),
    });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  beforeEach(() => void asked.splice(0));

  it('asks once for all that is wanted in one turn, and gives each its own', async () => {
    const inboxes = reads();
    const answers = Promise.all(['1', '2', '3'].map((id) => inboxes.read('t', id, 0)));
    await turn();
    expect(asked.map(({ ids }) => ids)).toEqual([['1', '2', '3']]);
    asked[0]!.answer([
      { ord: '1', inbox_seq: 4, kind: 'signal', payload: { n: 1 } },
      { ord: '3', inbox_seq: 1, kind: 'cancel', payload: {} },
      { ord: '3', inbox_seq: 2, kind: 'signal', payload: { n: 2 } },
    ]);
    expect(await answers).toEqual([
      [{ inboxSeq: 4, kind: 'signal', payload: { n: 1 } }],
      [],
      [
        { inboxSeq: 1, kind: 'cancel', payload: {} },
        { inboxSeq: 2, kind: 'signal', payload: { n: 2 } },
      ],
    ]);
  });

  it('has two reads under way at most; what is wanted meanwhile is asked for after one of them, and never taken from it', async () => {
    const inboxes = reads();
    const wanted: Promise<unknown>[] = [];
    for (const id of ['1', '2', '3', '4']) {
      wanted.push(inboxes.read('t', id, 0));
      await turn();
    }
    wanted.push(inboxes.read('t', '1', 0));
    await turn();
    expect(asked.map(({ ids }) => ids)).toEqual([['1'], ['2']]);
    asked[1]!.answer([]);
    await turn();
    expect(asked.map(({ ids }) => ids)).toEqual([['1'], ['2'], ['3', '4', '1']]);
    for (const { answer } of asked) answer([]);
    await Promise.all(wanted);
  });

  it('fails those it asked for, and goes on with the others', async () => {
    const inboxes = reads();
    const [first, second] = [inboxes.read('t', '1', 0), inboxes.read('t', '2', 0)];
    await turn();
    asked[0]!.fail(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
    await expect(second).rejects.toThrow('gone');
    const third = inboxes.read('t', '3', 0);
    await turn();
    asked[1]!.answer([]);
    expect(await third).toEqual([]);
  });
});
