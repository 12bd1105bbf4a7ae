import { type Action, type Save } from '../playbook/playbook.js';
import { aStep, anAction } from '../testing/playbook-builder.js';
import { iteratorOf } from '../testing/program-actions.js';
import { ProgramStage } from '../testing/program-stage.js';
import { type Json, type JsonObject } from '../values.js';
import { namesOfResults } from './results.js';

const aSave = (storage: string, data: JsonObject): Save => ({
  storage,
  when: null,
  on: 'success',
  name: null,
  data,
  auth: null,
  onError: null,
  fields: {},
});
const ITEM = anAction({ type: 'save', data: { n: '{{ n }}' } });
const SEEN = { count: '{{ start.count }}', items: '{{ start.results | length }}', named: '{{ count }}', list: '{{ results | length }}' };
const TWO = { count: 2, items: 2, named: 2, list: 2 };

/** How a step ended that iterates, has its value projected and says in saves, variables and its edge what it sees of its items. */
async function ended(action: Action, storage: string, result: Json = { last: '{{ result[-1].n }}' }): Promise<JsonObject | undefined> {
  const { count, items } = SEEN;
  const stage = new ProgramStage([
    aStep('start', {
      action: { ...action, save: [aSave(storage, SEEN)] },
      result,
      hasResult: true,
      vars: { count, items },
      next: [{ kind: 'plain', then: [{ step: 'end', data: { count, items, data: '{{ start.data }}' } }] }],
    }),
    aStep('end', { result: { later: '{{ start.count }}', edge: '{{ data }}' }, hasResult: true }),
  ]);
  await stage.hold('one');
  if (storage === 'act') await stage.settle(0, null);
  const [completed, end] = stage.eventsOf('step_completed');
  return { ...completed, result: end?.value ?? null } as unknown as JsonObject;
}

describe(namesOfResults.name, () => {
  it.each(['event_log', 'act'])('a projected iterator still knows its items: %s', async (storage) => {
    expect(await ended(iteratorOf([1, 2], ITEM), storage)).toMatchObject({
      value: { last: 2 },
      saves: [{ storage, data: TWO }],
      vars: { count: 2, items: 2 },
      edges: [{ data: { count: 2, items: 2, data: { last: 2 } } }],
      result: { later: 2 },
    });
  });

  it('a projected loop still knows its items, and its data is what it was made', async () => {
    const loop = iteratorOf([1, 2], ITEM, { spelling: 'loop' });
    expect(await ended(loop, 'event_log', { last: '{{ result.data[1].n }}' })).toMatchObject({
      value: { last: 2 },
      saves: [{ data: TWO }],
      vars: { count: 2, items: 2 },
      edges: [{ data: { count: 2, items: 2, data: { last: 2 } } }],
      result: { later: 2 },
    });
  });
});
