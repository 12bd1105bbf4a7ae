import { type Action } from '../playbook/playbook.js';
import { aStep, anAction, to } from '../testing/playbook-builder.js';
import { ProgramStage } from '../testing/program-stage.js';
import { type Json, type JsonObject } from '../values.js';
import { runLoop } from './loop.js';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const iterator = (collection: Json, element: string, task: Action, fields: JsonObject = {}): Action =>
  anAction({ type: 'iterator', fields: { collection, element, ...fields }, tasks: [task] });
const save = (data: JsonObject): Action => anAction({ type: 'save', data });
const LOG = anAction({ type: 'log', fields: { message: '{{ n }}' } });
const NESTED = (items: number): Action => iterator(numbers(items), 'm', save({ v: '{{ n * m }}' }));

const stageOf = (action: Action): ProgramStage => new ProgramStage([aStep('start', { action, next: to('end') }), aStep('end')]);

/** Lets a millisecond pass with each look at the clock. @returns turns of the event loop that others had until the run ended */
async function turnsOf(stage: ProgramStage): Promise<number> {
  let ms = 0;
  stage.clock.monotonic = () => (ms += 1);
  let turns = 0;
  const count = (): void => {
    if (stage.ends.length > 0) return;
    turns += 1;
    setImmediate(count);
  };
  setImmediate(count);
  await stage.hold('a');
  expect([stage.ends, stage.faults]).toEqual([['ended'], []]);
  return turns;
}

describe(runLoop.name, () => {
  it.each([
    ['saves', iterator(numbers(300), 'n', save({ v: '{{ n }}' }))],
    ['saves, several at once', iterator(numbers(300), 'n', save({ v: '{{ n }}' }), { mode: 'async', concurrency: 32 })],
    ['logs', iterator(numbers(300), 'n', LOG)],
    ['failures', iterator(numbers(300), 'n', anAction({ type: 'fail', fields: { message: 'no' } }), { on_error: 'continue' })],
    ['iterators of saves', iterator(numbers(20), 'n', NESTED(15))],
  ])('lets others have turns while it only computes: %s', async (_what, action) => {
    expect(await turnsOf(stageOf(action))).toBeGreaterThan(20);
  });

  it('tells of up to 500 items in one event, however many turns they take', async () => {
    const stage = stageOf(iterator(numbers(520), 'n', save({ v: 1 })));
    await turnsOf(stage);
    expect(stage.eventsOf('loop_iteration').map(({ items }) => items.length)).toEqual([500, 20]);
  });

  it.each([
    ['logs', iterator(numbers(1_000), 'n', LOG)],
    ['logs, several at once', iterator(numbers(1_000), 'n', LOG, { mode: 'async', concurrency: 64 })],
    ['iterators of saves', iterator(numbers(500), 'n', NESTED(2))],
    ['iterators of saves, several at once', iterator(numbers(500), 'n', NESTED(2), { mode: 'async', concurrency: 64 })],
  ])('is never far ahead of its commit, so that no unit is too large: %s', async (_what, action) => {
    const stage = stageOf(action);
    await stage.hold('a');
    expect([stage.ends, stage.stored.row.status, stage.faults]).toEqual([['ended'], 'completed', []]);
    expect(stage.stored.lastSeq).toBeGreaterThan(1_000);
    expect(Math.max(...stage.units.map(({ events }) => events))).toBeLessThan(300);
  });

  it('nor by many characters', async () => {
    const task = anAction({ type: 'log', fields: { message: 'x'.repeat(8_000) } });
    const stage = stageOf(iterator(numbers(400), 'n', task, { mode: 'async', concurrency: 64 }));
    await stage.hold('a');
    expect([stage.ends, stage.stored.row.status, stage.faults]).toEqual([['ended'], 'completed', []]);
    expect(JSON.stringify(stage.stored.events).length).toBeGreaterThan(3_000_000);
    expect(Math.max(...stage.units.map(({ characters }) => characters))).toBeLessThan(1_200_000);
  });
});
