import { foldEvents } from '../engine/run/apply.js';
import { encodeState } from '../engine/run/snapshot.js';
import { MemoryRunStore } from '../engine/testing/memory-run-store.js';
import { aStep, compiled } from '../engine/testing/playbook-builder.js';
import { newRun, ScriptedRun } from '../engine/testing/scripted-run.js';
import { type Json } from '../engine/values.js';
import { FailingRun } from './failing-run.js';

const ERROR = {
  code: 'poison',
  message: 'no',
  step: null,
  step_type: null,
  attempt: null,
  retryable: false,
  item_index: null,
  cause: null,
} as const;
const turns = async (): Promise<void> => {
  for (let n = 0; n < 6; n++) await new Promise((resolve) => setImmediate(resolve));
};

async function endOf(tell: (store: MemoryRunStore) => void): Promise<ReturnType<MemoryRunStore['read']>> {
  const store = new MemoryRunStore();
  const run = newRun('1');
  await new ScriptedRun(store, run, 'one').create();
  const { events, row } = store.read('1')!;
  const held = {
    run,
    token: 'one',
    claimNo: 1,
    history: { snapshot: null, events, lastSeq: events.length, row, inboxConsumed: 0, inboxSeq: 0, createdAt: 0, attempts: 0 },
  };
  tell(store);
  store.announce(new FailingRun(held, ERROR, store, () => undefined));
  await turns();
  return store.read('1');
}

describe(FailingRun.name, () => {
  it('ends the run as failed', async () => {
    expect(await endOf(() => undefined)).toMatchObject({ row: { status: 'failed', error: ERROR }, token: null });
  });

  it('reads what was said meanwhile, and ends as cancelled where that was asked', async () => {
    expect(await endOf((store) => store.deliver('default', '1', 'signal', {}))).toMatchObject({ row: { status: 'failed' }, token: null });
    const cancelled = await endOf((store) => store.deliver('default', '1', 'cancel', { reason: 'enough' }));
    expect(cancelled).toMatchObject({ row: { status: 'cancelled' }, token: null });
    expect(cancelled?.events.map(({ type }) => type)).toEqual(['execution_started', 'cancel_requested', 'execution_cancelled']);
  });

  it('goes on after the whole history of a run with a snapshot, and knows a cancel that only the snapshot knows', async () => {
    const playbook = compiled([aStep('start', {}), aStep('end')]);
    const state = foldEvents(playbook, {}, [{ type: 'execution_started' }, { type: 'cancel_requested', reason: 'enough', force: false }]);
    const store = new MemoryRunStore();
    const run = newRun('1');
    await new ScriptedRun(store, run, 'one').create({
      events: [{ type: 'execution_started' }, { type: 'cancel_requested', reason: 'enough', force: false }],
    });
    const { row, lastSeq } = store.read('1')!;
    const snapshot = { seq: lastSeq, state: JSON.parse(encodeState(state)!) as Json };
    const history = { snapshot, events: [], lastSeq, row, inboxConsumed: 0, inboxSeq: 0, createdAt: 0, attempts: 0 };
    store.announce(new FailingRun({ run, token: 'one', claimNo: 1, history }, ERROR, store, () => undefined));
    await turns();
    expect(store.read('1')).toMatchObject({ row: { status: 'cancelled' }, lastSeq: 3, token: null });
  });

  it.each([null, 'text', {}, [1, 2]])('ends a run whose snapshot cannot be read: %j', async (state) => {
    const store = new MemoryRunStore();
    const run = newRun('1');
    await new ScriptedRun(store, run, 'one').create();
    const { row, lastSeq } = store.read('1')!;
    const history = {
      snapshot: { seq: lastSeq, state },
      events: [],
      lastSeq,
      row,
      inboxConsumed: 0,
      inboxSeq: 0,
      createdAt: 0,
      attempts: 0,
    };
    store.announce(new FailingRun({ run, token: 'one', claimNo: 1, history }, ERROR, store, () => undefined));
    await turns();
    expect(store.read('1')).toMatchObject({ row: { status: 'failed' }, token: null });
  });

  it('lets go where even that is refused', () => {
    let times = 0;
    const held = { run: newRun('1'), token: 'one', claimNo: 1, history: null };
    new FailingRun(held, ERROR, new MemoryRunStore(), () => (times += 1)).unitSettled({ kind: 'refused', reason: 'x' });
    expect(times).toBe(1);
  });
});
